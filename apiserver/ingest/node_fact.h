// The last known state of a node as the text that outlives a restart. Pure and thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "apiserver/ingest/nodes.h"

namespace huatuo {

// Everything but the catalog, which is kept by its hash.
std::string NodeFact(const NodeState& state);

// InvalidArgument when `text` is not from NodeFact. The node is not connected.
absl::StatusOr<NodeState> ParseNodeFact(std::string_view text);

}  // namespace huatuo
