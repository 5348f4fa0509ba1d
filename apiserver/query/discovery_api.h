// `/api/v1/sd`: what there is to scrape, for Prometheus' HTTP service discovery.
#pragma once

#include <vector>

#include "apiserver/ingest/nodes.h"
#include "apiserver/query/router.h"

namespace huatuo {

// `tls`: whether this server speaks HTTPS. `nodes` must outlive the routes.
std::vector<Route> DiscoveryRoutes(const Nodes& nodes, bool tls);

}  // namespace huatuo
