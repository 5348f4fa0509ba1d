#include "apiserver/store/sqlite_tasks.h"

#include <mutex>

#include "common/status_macros.h"

namespace huatuo {
namespace {

struct Place {
  uint64_t position = 0;
  uint64_t version = 0;  // 0: not stored
};

absl::StatusOr<Place> PlaceOf(Database& database, const std::string& id) {
  ASSIGN_OR_RETURN(Statement row, database.Kept("SELECT position, version FROM task WHERE id = ?"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(id).Step());
  if (!found) return Place{};
  return Place{static_cast<uint64_t>(row.Int(0)), static_cast<uint64_t>(row.Int(1))};
}

absl::Status Insert(Database& database, const TaskRow& row) {
  ASSIGN_OR_RETURN(Statement insert,
                   database.Kept("INSERT INTO task(id, version, tool, state, ended_ns, document) "
                                 "VALUES(?, 1, ?, ?, ?, ?)"));
  return insert.Bind(row.id)
      .Bind(row.tool)
      .Bind(row.state)
      .Bind(row.ended_ns)
      .Bind(row.document)
      .Run();
}

absl::Status Update(Database& database, const TaskRow& row) {
  ASSIGN_OR_RETURN(Statement update,
                   database.Kept("UPDATE task SET version = version + 1, tool = ?, state = ?, "
                                 "ended_ns = ?, document = ? WHERE id = ?"));
  return update.Bind(row.tool)
      .Bind(row.state)
      .Bind(row.ended_ns)
      .Bind(row.document)
      .Bind(row.id)
      .Run();
}

constexpr std::string_view kColumns = "position, id, version, tool, state, ended_ns, document";

TaskRow Read(const Statement& row) {
  return {.id = std::string(row.Text(1)),
          .position = static_cast<uint64_t>(row.Int(0)),
          .version = static_cast<uint64_t>(row.Int(2)),
          .tool = std::string(row.Text(3)),
          .state = std::string(row.Text(4)),
          .ended_ns = row.Int(5),
          .document = std::string(row.Text(6))};
}

}  // namespace

absl::Status SqliteTasks::Save(TaskRow& row) {
  const std::lock_guard lock(write_lock_);
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(writer_, true));
  ASSIGN_OR_RETURN(Place stored, PlaceOf(writer_, row.id));
  if (stored.version != row.version) return StaleTask(row, stored.version);
  RETURN_IF_ERROR(stored.version == 0 ? Insert(writer_, row) : Update(writer_, row));
  if (stored.version == 0) stored.position = static_cast<uint64_t>(writer_.LastRowid());
  RETURN_IF_ERROR(transaction.Commit());
  row.position = stored.position;
  row.version = stored.version + 1;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TaskRow>> SqliteTasks::Find(std::string_view id) {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(Statement row,
                   reader->Kept("SELECT " + std::string(kColumns) + " FROM task WHERE id = ?"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(id).Step());
  if (!found) return std::nullopt;
  return Read(row);
}

// The few open tasks are found by their ended_ns of 0; else the walk is by position.
absl::StatusOr<std::vector<TaskRow>> SqliteTasks::List(const TaskFilter& filter, uint64_t before,
                                                       size_t limit) {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(
      Statement row,
      reader->Kept("SELECT " + std::string(kColumns) +
                   " FROM task WHERE (?1 = 0 OR position < ?1) AND "
                   "(?2 = '' OR state = ?2) AND (?3 = '' OR tool = ?3)" +
                   (filter.open ? " AND ended_ns = 0" : "") + " ORDER BY position DESC"));
  row.Bind(static_cast<int64_t>(before)).Bind(filter.state).Bind(filter.tool);
  std::vector<TaskRow> rows;
  while (rows.size() < limit) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) break;
    rows.push_back(Read(row));
  }
  return rows;
}

absl::Status SqliteTasks::Prune(int64_t ended_ns) {
  const std::lock_guard lock(write_lock_);
  ASSIGN_OR_RETURN(
      Statement remove,
      writer_.Kept("DELETE FROM task WHERE ended_ns > 0 AND (ended_ns < ?1 OR position IN "
                   "(SELECT position FROM task WHERE ended_ns > 0 "
                   "ORDER BY ended_ns DESC, position DESC LIMIT -1 OFFSET ?2))"));
  return remove.Bind(ended_ns).Bind(static_cast<int64_t>(kMaxEnded)).Run();
}

}  // namespace huatuo
