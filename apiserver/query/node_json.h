// Nodes and units as JSON. Pure.
#pragma once

#include <boost/json/object.hpp>

#include "apiserver/ingest/nodes.h"

namespace huatuo {

// What a list of nodes shows of one.
boost::json::object NodeSummary(const NodeState& node, uint64_t configuration);

// All that is known: the summary and the state of each unit, costs, losses, accounting.
boost::json::object NodeDetail(const NodeState& node, uint64_t configuration);

// A unit of a catalog: what it can observe, and its parameters.
boost::json::object UnitJson(const v1::Unit& unit);

}  // namespace huatuo
