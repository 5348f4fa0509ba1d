#include "apiserver/store/postgres_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "apiserver/store/filter.h"
#include "apiserver/store/postgres_append.h"
#include "apiserver/store/postgres_prune.h"
#include "apiserver/store/postgres_schema.h"
#include "apiserver/store/postgres_search.h"
#include "apiserver/store/postgres_text.h"
#include "apiserver/store/postgres_writer.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr const char* kEvent = "event";
constexpr PostgresDays kEventDays(kEvent);
constexpr PostgresDays kRejectedDays("rejected");

absl::Status PruneRejectedUntil(PgSession& session, int64_t uploaded_ns) {
  const int64_t before_ns = std::min(uploaded_ns, std::numeric_limits<int64_t>::max() - 1) + 1;
  while (true) {
    ASSIGN_OR_RETURN(const DayStep step, kRejectedDays.PruneBefore(session, before_ns));
    if (!step.more) return absl::OkStatus();
  }
}

// Rows of the step are events.
absl::StatusOr<DayStep> PruneSizeStep(PgSession& session, uint64_t max_bytes) {
  ASSIGN_OR_RETURN(const DayUse events, kEventDays.Use(session));
  ASSIGN_OR_RETURN(const DayUse rejected, kRejectedDays.Use(session));
  const uint64_t bytes = events.bytes + rejected.bytes;
  if (bytes <= max_bytes) return DayStep{};
  if (events.rows == 0) {
    ASSIGN_OR_RETURN(DayStep step, kRejectedDays.PruneOldest(session, bytes - max_bytes));
    step.rows = 0;
    return step;
  }
  ASSIGN_OR_RETURN(const DayStep step, kEventDays.PruneOldest(session, bytes - max_bytes));
  if (step.rows > 0) RETURN_IF_ERROR(PruneRejectedUntil(session, step.youngest_ns));
  return step;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresStore>> PostgresStore::Open(const PostgresOptions& options) {
  std::unique_ptr<PostgresStore> store(new PostgresStore(options));
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, store->pool_.Borrow());
  RETURN_IF_ERROR(MigratePostgres(*session));
  return store;
}

absl::StatusOr<uint64_t> PostgresStore::Append(std::span<const NodeCommit> commits) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  return AppendEvents(*session, commits);
}

absl::StatusOr<uint64_t> PostgresStore::HighWater(std::string_view node, std::string_view epoch) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  return PostgresMark(*session, kEvent, node, epoch);
}

absl::StatusOr<std::vector<StoredEvent>> PostgresStore::Query(const EventFilter& filter,
                                                              Order order, uint64_t after,
                                                              size_t limit) {
  RETURN_IF_ERROR(CheckCursor(after));
  const Matcher matcher(filter);
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(const PgTransaction snapshot,
                   PgTransaction::Begin(*session, PgTransaction::Kind::kSnapshot));
  return SearchEvents(*session, matcher, order, after, limit);
}

absl::StatusOr<std::vector<EventCount>> PostgresStore::Count(const EventFilter& filter,
                                                             int64_t step_ns) {
  const Matcher matcher(filter);
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(const PgTransaction snapshot,
                   PgTransaction::Begin(*session, PgTransaction::Kind::kSnapshot));
  return CountStoredEvents(*session, matcher, step_ns);
}

absl::StatusOr<std::optional<StoredEvent>> PostgresStore::Get(std::string_view tracer_id) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(const PgResult rows,
                   session->Kept(fmt::format("SELECT {} FROM event e WHERE e.tracer_id = $1",
                                             kPostgresEventColumns),
                                 {EncodeText(tracer_id)}));
  if (rows.empty()) return std::nullopt;
  ASSIGN_OR_RETURN(StoredEvent event, ReadStoredEvent(rows, 0));
  return event;
}

absl::StatusOr<uint64_t> PostgresStore::Newest() {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(const PgResult newest, session->Kept("SELECT max(position) FROM event"));
  return static_cast<uint64_t>(newest.Int(0, 0));
}

absl::StatusOr<std::vector<RejectedRow>> PostgresStore::Rejected(std::string_view node,
                                                                 size_t limit) {
  constexpr size_t kMost = std::numeric_limits<int32_t>::max();
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  const std::string where = node.empty() ? "$1 = ''" : "node = $1";
  ASSIGN_OR_RETURN(const PgResult rows,
                   session->Kept(fmt::format("SELECT sequence, reason, entry FROM rejected "
                                             "WHERE {} ORDER BY uploaded_ns DESC, position DESC "
                                             "LIMIT $2::bigint",
                                             where),
                                 {EncodeText(node), std::to_string(std::min(limit, kMost))}));
  std::vector<RejectedRow> found;
  for (size_t i = 0; i < rows.size(); ++i) {
    found.push_back({static_cast<uint64_t>(rows.Int(i, 0)), rows.Text(i, 1), rows.Text(i, 2)});
  }
  return found;
}

absl::Status PostgresStore::Put(std::string_view kind, std::string_view key,
                                std::string_view value) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  return session
      ->Kept(
          "INSERT INTO fact VALUES($1, $2, $3) "
          "ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
          {EncodeText(kind), EncodeText(key), EncodeText(value)})
      .status();
}

absl::StatusOr<bool> PostgresStore::Swap(std::string_view kind, std::string_view key,
                                         std::optional<std::string_view> expected,
                                         std::string_view value) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  const absl::StatusOr<PgResult> put =
      expected.has_value()
          ? session->Kept(
                "UPDATE fact SET value = $3 WHERE kind = $1 AND key = $2 AND value = $4 "
                "RETURNING 1",
                {EncodeText(kind), EncodeText(key), EncodeText(value), EncodeText(*expected)})
          : session->Kept("INSERT INTO fact VALUES($1, $2, $3) ON CONFLICT DO NOTHING RETURNING 1",
                          {EncodeText(kind), EncodeText(key), EncodeText(value)});
  RETURN_IF_ERROR(put.status());
  return !put->empty();
}

absl::StatusOr<std::optional<std::string>> PostgresStore::Fact(std::string_view kind,
                                                               std::string_view key) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(const PgResult rows,
                   session->Kept("SELECT value FROM fact WHERE kind = $1 AND key = $2",
                                 {EncodeText(kind), EncodeText(key)}));
  if (rows.empty()) return std::nullopt;
  return rows.Text(0, 0);
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> PostgresStore::Facts(
    std::string_view kind) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(const PgResult rows, session->Kept("SELECT key, value FROM fact WHERE kind = $1",
                                                      {EncodeText(kind)}));
  std::vector<std::pair<std::string, std::string>> facts;
  for (size_t i = 0; i < rows.size(); ++i) facts.emplace_back(rows.Text(i, 0), rows.Text(i, 1));
  std::sort(facts.begin(), facts.end());
  return facts;
}

absl::StatusOr<StoreUse> PostgresStore::Use() {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(const DayUse events, kEventDays.Use(*session));
  ASSIGN_OR_RETURN(const DayUse rejected, kRejectedDays.Use(*session));
  ASSIGN_OR_RETURN(const PgResult oldest, session->Kept("SELECT min(uploaded_ns) FROM event"));
  return StoreUse{events.rows, events.bytes + rejected.bytes, oldest.Int(0, 0)};
}

absl::StatusOr<uint64_t> PostgresStore::Prune(const Retention& retention, int64_t now_ns) {
  const int64_t before_ns = retention.max_age_ns > 0 ? now_ns - retention.max_age_ns : 0;
  RETURN_IF_ERROR(tasks_.Prune(before_ns));
  uint64_t by_age = 0;
  if (retention.max_age_ns > 0) {
    ASSIGN_OR_RETURN(by_age, PruneAge(before_ns));
  }
  if (retention.max_bytes == 0) return by_age;
  ASSIGN_OR_RETURN(const uint64_t by_size, RepeatStep(pool_, kEvent, [&](PgSession& session) {
                     return PruneSizeStep(session, retention.max_bytes);
                   }));
  return by_age + by_size;
}

absl::StatusOr<uint64_t> PostgresStore::PruneAge(int64_t before_ns) {
  ASSIGN_OR_RETURN(const uint64_t events, RepeatStep(pool_, kEvent, [&](PgSession& session) {
                     return kEventDays.PruneBefore(session, before_ns);
                   }));
  RETURN_IF_ERROR(RepeatStep(pool_, kEvent, [&](PgSession& session) {
                    return kRejectedDays.PruneBefore(session, before_ns);
                  }).status());
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  RETURN_IF_ERROR(PrunePostgresMarks(*session, kEvent, before_ns));
  return events;
}

}  // namespace huatuo
