// `/api/v1/nodes`, `/api/v1/units`, and live changes of a node's parameters.
#pragma once

#include <chrono>
#include <vector>

#include "apiserver/config/live_config.h"
#include "apiserver/ingest/nodes.h"
#include "apiserver/query/router.h"

namespace huatuo {

// `nodes` must outlive the routes. `answer_timeout`: how long a node may take to answer a change.
std::vector<Route> NodeRoutes(Nodes& nodes, const LiveConfig& config,
                              std::chrono::milliseconds answer_timeout);

}  // namespace huatuo
