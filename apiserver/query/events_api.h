// `/api/v1/events`: lists, single events, live streams.
#pragma once

#include <vector>

#include "apiserver/query/http_counts.h"
#include "apiserver/query/router.h"
#include "apiserver/store/commit_signal.h"
#include "apiserver/store/store.h"
#include "common/clock.h"

namespace huatuo {

// The references must outlive the routes.
std::vector<Route> EventRoutes(Querier& querier, CommitSignal& signal, const Clock& clock,
                               HttpCounts& counts);

}  // namespace huatuo
