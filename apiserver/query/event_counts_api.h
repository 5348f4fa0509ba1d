// `/api/v1/events/counts`: what charts of events over time are drawn from.
#pragma once

#include "apiserver/query/router.h"
#include "apiserver/store/store.h"
#include "common/clock.h"

namespace huatuo {

// The references must outlive the route.
Route EventCountsRoute(Querier& querier, const Clock& clock);

}  // namespace huatuo
