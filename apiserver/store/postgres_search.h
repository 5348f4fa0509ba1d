// Queries of the PostgreSQL store.
//
// The server finds candidates: by postings (a superset, filter.h), times and words. Each is then
// asked with the same Matcher as in memory. Candidates are looked for in windows of positions, from
// where the reader is and each many times larger than the one before: most readers want the newest
// rows and find them in the first; what is rare is found in the last by its index. Within a window
// the choice of the index is the planner's.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/store/filter.h"
#include "apiserver/store/postgres.h"
#include "apiserver/store/store.h"

namespace huatuo {

// What ReadStoredEvent expects to be selected, of `event e`.
inline constexpr std::string_view kPostgresEventColumns =
    "e.position, e.sequence, e.tracer_time_ns, e.uploaded_ns, e.tracer_id, e.tracer_name, "
    "e.task_id, e.node, e.subjects, e.document";

// Internal when the subjects are not readable.
absl::StatusOr<StoredEvent> ReadStoredEvent(const PgResult& rows, size_t row);

// As Querier::Query and Count.
absl::StatusOr<std::vector<StoredEvent>> SearchEvents(PgSession& session, const Matcher& matcher,
                                                      Order order, uint64_t after, size_t limit);
absl::StatusOr<std::vector<EventCount>> CountStoredEvents(PgSession& session,
                                                          const Matcher& matcher, int64_t step_ns);

}  // namespace huatuo
