// `/metrics`: the newest samples of all nodes, and this process's own.
#pragma once

#include <prometheus/registry.h>

#include <vector>

#include "apiserver/query/exposition_reply.h"
#include "apiserver/query/router.h"
#include "apiserver/store/series.h"

namespace huatuo {

// The references must outlive the routes.
std::vector<Route> MetricRoutes(const SeriesTable& series, prometheus::Registry& registry);

}  // namespace huatuo
