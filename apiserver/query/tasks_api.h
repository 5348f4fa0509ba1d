// /api/v1/tasks
#pragma once

#include <vector>

#include "apiserver/ingest/nodes.h"
#include "apiserver/query/http_counts.h"
#include "apiserver/query/router.h"
#include "apiserver/store/profile_store.h"
#include "apiserver/store/series.h"
#include "apiserver/store/store.h"
#include "apiserver/tasks/tasks.h"

namespace huatuo {

// What the routes read and write; all of it outlives them.
struct TaskRouteSources {
  Tasks& tasks;
  const Nodes& nodes;
  const SeriesTable& series;
  Querier& querier;
  ProfileQuerier& profiles;
  HttpCounts& counts;
};

std::vector<Route> TaskRoutes(const TaskRouteSources& sources);

}  // namespace huatuo
