// `/federate`: the newest samples of the series that PromQL selectors choose, for another
// Prometheus.
#pragma once

#include <prometheus/registry.h>

#include <vector>

#include "apiserver/query/exposition_reply.h"
#include "apiserver/query/router.h"
#include "apiserver/store/series.h"

namespace huatuo {

// As Prometheus' own: samples have their times, a series without `instance` gets an empty one, so
// that whoever scrapes does not put the apiserver's there, and the parts of histograms, which may
// be chosen singly, are families of their own without a type. The references must outlive the
// routes.
std::vector<Route> FederateRoutes(const SeriesTable& series, prometheus::Registry& registry);

}  // namespace huatuo
