// Querier::Count of the SQLite store.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/store/filter.h"
#include "apiserver/store/sqlite.h"
#include "apiserver/store/store.h"

namespace huatuo {

// A filter by time, tracer, node and task is answered from the index of tracer times alone; any
// other reads the rows of its rarest kind of name, or of its range.
absl::StatusOr<std::vector<EventCount>> CountEvents(Database& database, const Matcher& matcher,
                                                    int64_t step_ns);

}  // namespace huatuo
