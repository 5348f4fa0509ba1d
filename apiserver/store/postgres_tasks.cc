#include "apiserver/store/postgres_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "apiserver/store/postgres_conditions.h"
#include "apiserver/store/postgres_text.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr std::string_view kColumns = "position, id, version, tool, state, ended_ns, document";

TaskRow Read(const PgResult& rows, size_t i) {
  return {.id = rows.Text(i, 1),
          .position = static_cast<uint64_t>(rows.Int(i, 0)),
          .version = static_cast<uint64_t>(rows.Int(i, 2)),
          .tool = rows.Text(i, 3),
          .state = rows.Text(i, 4),
          .ended_ns = rows.Int(i, 5),
          .document = rows.Text(i, 6)};
}

// $1 to $6.
PgArguments ArgumentsOf(const TaskRow& row) {
  return {EncodeText(row.id),    std::to_string(row.version),  EncodeText(row.tool),
          EncodeText(row.state), std::to_string(row.ended_ns), EncodeText(row.document)};
}

// The lock of the counter is held until the commit, so that a reader who has seen a position has
// seen all lower ones. A row that is there already is left alone, and the counter with it.
absl::StatusOr<PgResult> Insert(PgSession& session, const TaskRow& row) {
  return session.Kept(
      "WITH next AS (UPDATE counter SET position = position + 1 WHERE kind = 'task' AND "
      "NOT EXISTS(SELECT 1 FROM task WHERE id = $1) RETURNING position), saved AS ("
      "INSERT INTO task SELECT position, $1, $2::bigint + 1, $3, $4, $5::bigint, $6 FROM next "
      "ON CONFLICT (id) DO NOTHING RETURNING position) "
      "SELECT position, pg_notify('huatuo', 'task ' || current_setting('application_name')) "
      "FROM saved",
      ArgumentsOf(row));
}

absl::StatusOr<PgResult> Update(PgSession& session, const TaskRow& row) {
  return session.Kept(
      "WITH saved AS (UPDATE task SET version = version + 1, tool = $3, state = $4, "
      "ended_ns = $5::bigint, document = $6 WHERE id = $1 AND version = $2::bigint "
      "RETURNING position) "
      "SELECT position, pg_notify('huatuo', 'task ' || current_setting('application_name')) "
      "FROM saved",
      ArgumentsOf(row));
}

}  // namespace

absl::Status PostgresTasks::Save(TaskRow& row) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(const PgResult saved,
                   row.version == 0 ? Insert(*session, row) : Update(*session, row));
  if (saved.empty()) {
    ASSIGN_OR_RETURN(const PgResult stored,
                     session->Kept("SELECT version FROM task WHERE id = $1", {EncodeText(row.id)}));
    return StaleTask(row, stored.empty() ? 0 : static_cast<uint64_t>(stored.Int(0, 0)));
  }
  row.position = static_cast<uint64_t>(saved.Int(0, 0));
  ++row.version;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TaskRow>> PostgresTasks::Find(std::string_view id) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(
      const PgResult rows,
      session->Kept(fmt::format("SELECT {} FROM task WHERE id = $1", kColumns), {EncodeText(id)}));
  if (rows.empty()) return std::nullopt;
  return Read(rows, 0);
}

absl::StatusOr<std::vector<TaskRow>> PostgresTasks::List(const TaskFilter& filter, uint64_t before,
                                                         size_t limit) {
  constexpr size_t kMost = std::numeric_limits<int32_t>::max();
  PostgresConditions conditions;
  if (before > 0) conditions.Add("position <", "bigint", std::to_string(before));
  if (!filter.state.empty()) conditions.Add("state =", "text", EncodeText(filter.state));
  if (!filter.tool.empty()) conditions.Add("tool =", "text", EncodeText(filter.tool));
  if (filter.open) conditions.Add("ended_ns =", "bigint", "0");
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(const PgResult rows,
                   session->Once(fmt::format("SELECT {} FROM task WHERE true{} "
                                             "ORDER BY position DESC LIMIT {}",
                                             kColumns, conditions.sql(), std::min(limit, kMost)),
                                 conditions.arguments()));
  std::vector<TaskRow> found;
  for (size_t i = 0; i < rows.size(); ++i) found.push_back(Read(rows, i));
  return found;
}

absl::Status PostgresTasks::Prune(int64_t ended_ns) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  return session
      ->Kept(
          "DELETE FROM task WHERE ended_ns > 0 AND (ended_ns < $1::bigint OR position IN "
          "(SELECT position FROM task WHERE ended_ns > 0 "
          "ORDER BY ended_ns DESC, position DESC OFFSET $2::bigint))",
          {std::to_string(ended_ns), std::to_string(kMaxEnded)})
      .status();
}

}  // namespace huatuo
