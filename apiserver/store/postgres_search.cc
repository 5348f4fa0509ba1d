#include "apiserver/store/postgres_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>

#include "apiserver/store/event_counts.h"
#include "apiserver/store/postgres_conditions.h"
#include "apiserver/store/subjects.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Positions of the first window, some milliseconds to look through, and how windows grow.
constexpr int64_t kFirstWindow = 2000;
constexpr int64_t kGrowth = 16;

// Rows that are asked for beyond those that are missing, as some may not match after all.
constexpr size_t kSpare = 8;

// At a time, so that they fit in memory.
constexpr size_t kMaxRows = 5000;

// Positions from low to high, both included.
struct Span {
  int64_t low;
  int64_t high;
};

class Search {
 public:
  Search(PgSession& session, const Matcher& matcher, Order order, size_t limit)
      : session_(session),
        matcher_(matcher),
        newest_first_(order == Order::kNewestFirst),
        limit_(limit) {
    base_.AddFilter(matcher);
  }

  absl::StatusOr<std::vector<StoredEvent>> Run(uint64_t after) {
    ASSIGN_OR_RETURN(std::optional<Span> rest, Rest(static_cast<int64_t>(after)));
    // Without a filter every row is a result, and the first window is the last.
    int64_t size = base_.sql().empty() ? std::numeric_limits<int64_t>::max() : kFirstWindow;
    while (rest && rest->low <= rest->high && !Full()) {
      RETURN_IF_ERROR(Look(CutWindow(*rest, size)));
      size = size > std::numeric_limits<int64_t>::max() / kGrowth ? size : size * kGrowth;
    }
    return std::move(found_);
  }

 private:
  bool Full() const { return found_.size() >= limit_; }

  // What there is beyond `after`; nullopt when the store is empty.
  absl::StatusOr<std::optional<Span>> Rest(int64_t after) {
    ASSIGN_OR_RETURN(const PgResult ends,
                     session_.Kept("SELECT min(position), max(position) FROM event"));
    if (ends.Int(0, 1) == 0) return std::nullopt;
    Span rest{ends.Int(0, 0), ends.Int(0, 1)};
    if (!newest_first_) rest.low = std::max(rest.low, after == INT64_MAX ? after : after + 1);
    if (newest_first_ && after != 0) rest.high = std::min(rest.high, after - 1);
    return rest;
  }

  // Takes the next window from `rest`.
  Span CutWindow(Span& rest, int64_t size) const {
    if (rest.high - rest.low < size) return std::exchange(rest, {1, 0});
    Span window = rest;
    if (newest_first_) {
      window.low = rest.high - size + 1;
      rest.high = window.low - 1;
    } else {
      window.high = rest.low + size - 1;
      rest.low = window.high + 1;
    }
    return window;
  }

  absl::Status Look(Span window) {
    while (window.low <= window.high && !Full()) {
      const size_t wanted = std::min(limit_ - found_.size(), kMaxRows) + kSpare;
      PostgresConditions conditions = base_;
      conditions.Add("e.position >=", "bigint", std::to_string(window.low));
      conditions.Add("e.position <=", "bigint", std::to_string(window.high));
      ASSIGN_OR_RETURN(const PgResult rows,
                       session_.Once(fmt::format("SELECT {} FROM event e WHERE true{} "
                                                 "ORDER BY e.position{} LIMIT {}",
                                                 kPostgresEventColumns, conditions.sql(),
                                                 newest_first_ ? " DESC" : "", wanted),
                                     conditions.arguments()));
      for (size_t i = 0; i < rows.size() && !Full(); ++i) RETURN_IF_ERROR(Take(rows, i));
      if (rows.size() < wanted) break;
      const int64_t last = rows.Int(rows.size() - 1, 0);
      (newest_first_ ? window.high : window.low) = newest_first_ ? last - 1 : last + 1;
    }
    return absl::OkStatus();
  }

  absl::Status Take(const PgResult& rows, size_t row) {
    ASSIGN_OR_RETURN(StoredEvent event, ReadStoredEvent(rows, row));
    if (matcher_.Matches(event.row, event.node)) found_.push_back(std::move(event));
    return absl::OkStatus();
  }

  PgSession& session_;
  const Matcher& matcher_;
  const bool newest_first_;
  const size_t limit_;
  PostgresConditions base_;
  std::vector<StoredEvent> found_;
};

// Whether the server's conditions are all of the filter.
bool ServerDecides(const EventFilter& filter) {
  return filter.namespace_name.empty() && filter.pod.empty() && filter.container.empty() &&
         filter.text.empty();
}

void SortCounts(std::vector<EventCount>& counts) {
  std::sort(counts.begin(), counts.end(), [](const EventCount& a, const EventCount& b) {
    return std::tie(a.from_ns, a.tracer) < std::tie(b.from_ns, b.tracer);
  });
}

// Steps are numbered, since the beginning of the first one may be before all times.
absl::StatusOr<std::vector<EventCount>> CountOnServer(PgSession& session,
                                                      const PostgresConditions& conditions,
                                                      int64_t step_ns) {
  PgArguments arguments = conditions.arguments();
  arguments.push_back(std::to_string(step_ns));
  const std::string step = fmt::format("${}::bigint", arguments.size());
  ASSIGN_OR_RETURN(
      const PgResult rows,
      session.Once(fmt::format("SELECT e.tracer_time_ns / {0} - CASE WHEN e.tracer_time_ns % {0} "
                               "< 0 THEN 1 ELSE 0 END, e.tracer_name, count(*) FROM event e "
                               "WHERE true{1} GROUP BY 1, 2",
                               step, conditions.sql()),
                   arguments));
  std::vector<EventCount> counts;
  for (size_t i = 0; i < rows.size(); ++i) {
    int64_t from_ns = 0;
    if (__builtin_mul_overflow(rows.Int(i, 0), step_ns, &from_ns)) from_ns = INT64_MIN;
    counts.push_back({from_ns, rows.Text(i, 1), static_cast<uint64_t>(rows.Int(i, 2))});
  }
  SortCounts(counts);
  return counts;
}

}  // namespace

absl::StatusOr<StoredEvent> ReadStoredEvent(const PgResult& rows, size_t row) {
  StoredEvent event;
  event.position = static_cast<uint64_t>(rows.Int(row, 0));
  event.row.sequence = static_cast<uint64_t>(rows.Int(row, 1));
  event.row.tracer_time_ns = rows.Int(row, 2);
  event.uploaded_ns = rows.Int(row, 3);
  event.row.tracer_id = rows.Text(row, 4);
  event.row.tracer_name = rows.Text(row, 5);
  event.row.task_id = rows.Text(row, 6);
  event.node = rows.Text(row, 7);
  ASSIGN_OR_RETURN(event.row.subjects, ParseSubjects(rows.Text(row, 8)));
  event.row.document = rows.Text(row, 9);
  return event;
}

absl::StatusOr<std::vector<StoredEvent>> SearchEvents(PgSession& session, const Matcher& matcher,
                                                      Order order, uint64_t after, size_t limit) {
  if (limit == 0) return std::vector<StoredEvent>();
  return Search(session, matcher, order, limit).Run(after);
}

absl::StatusOr<std::vector<EventCount>> CountStoredEvents(PgSession& session,
                                                          const Matcher& matcher, int64_t step_ns) {
  PostgresConditions conditions;
  conditions.AddFilter(matcher);
  if (ServerDecides(matcher.filter())) return CountOnServer(session, conditions, step_ns);
  EventCounts counts(step_ns);
  RETURN_IF_ERROR(session.Each(
      fmt::format("SELECT {} FROM event e WHERE true{}", kPostgresEventColumns, conditions.sql()),
      conditions.arguments(), [&](const PgResult& rows) -> absl::Status {
        for (size_t i = 0; i < rows.size(); ++i) {
          ASSIGN_OR_RETURN(const StoredEvent event, ReadStoredEvent(rows, i));
          if (!matcher.Matches(event.row, event.node)) continue;
          counts.Add(event.row.tracer_time_ns, event.row.tracer_name);
        }
        return absl::OkStatus();
      }));
  return counts.Take();
}

}  // namespace huatuo
