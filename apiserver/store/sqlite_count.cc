#include "apiserver/store/sqlite_count.h"

#include <fmt/format.h>

#include "apiserver/store/event_counts.h"
#include "apiserver/store/sqlite_rows.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// " AND e.tracer_time_ns >= ?…", for BindRange.
std::string RangeSql(const EventFilter& filter) {
  std::string sql;
  if (filter.from_ns) sql += " AND e.tracer_time_ns >= ?";
  if (filter.to_ns) sql += " AND e.tracer_time_ns < ?";
  return sql;
}

void BindRange(const EventFilter& filter, Statement& statement) {
  if (filter.from_ns) statement.Bind(*filter.from_ns);
  if (filter.to_ns) statement.Bind(*filter.to_ns);
}

bool Covered(const EventFilter& filter) {
  return filter.namespace_name.empty() && filter.pod.empty() && filter.container.empty() &&
         filter.text.empty();
}

// What is not asked for is not read: a text that is read costs as much as the row's step.
absl::Status CountCovered(Database& database, const EventFilter& filter, EventCounts& counts) {
  std::string sql =
      "SELECT e.tracer_time_ns, e.tracer_name FROM event e INDEXED BY event_tracer_time WHERE 1" +
      RangeSql(filter);
  if (!filter.tracer.empty()) sql += " AND e.tracer_name = ?";
  if (!filter.node.empty()) sql += " AND e.node = ?";
  if (!filter.task_id.empty()) sql += " AND e.task_id = ?";
  ASSIGN_OR_RETURN(Statement rows, database.Once(sql));
  BindRange(filter, rows);
  for (const std::string* name : {&filter.tracer, &filter.node, &filter.task_id}) {
    if (!name->empty()) rows.Bind(*name);
  }
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) return absl::OkStatus();
    counts.Add(rows.Int(0), rows.Text(1));
  }
}

// PostingsOf gives the narrowest kind of name first.
std::string RowsSql(const EventFilter& filter) {
  const std::vector<int64_t> postings = PostingsOf(filter);
  const std::string from = postings.empty()
                               ? "event e WHERE 1"
                               : fmt::format(
                                     "posting p CROSS JOIN event e ON e.position = p.position "
                                     "WHERE p.posting = {}",
                                     postings.front());
  return fmt::format("SELECT {} FROM {}{}", kEventColumns, from, RangeSql(filter));
}

absl::Status CountRows(Database& database, const Matcher& matcher, EventCounts& counts) {
  ASSIGN_OR_RETURN(Statement rows, database.Once(RowsSql(matcher.filter())));
  BindRange(matcher.filter(), rows);
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::optional<StoredEvent> event, ReadMatching(rows, matcher));
    if (event) counts.Add(event->row.tracer_time_ns, event->row.tracer_name);
  }
}

}  // namespace

absl::StatusOr<std::vector<EventCount>> CountEvents(Database& database, const Matcher& matcher,
                                                    int64_t step_ns) {
  EventCounts counts(step_ns);
  RETURN_IF_ERROR(Covered(matcher.filter()) ? CountCovered(database, matcher.filter(), counts)
                                            : CountRows(database, matcher, counts));
  return counts.Take();
}

}  // namespace huatuo
