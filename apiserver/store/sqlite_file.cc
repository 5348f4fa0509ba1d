#include "apiserver/store/sqlite_file.h"

#include <fmt/format.h>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Milliseconds. Within the process a lock orders the writers; this is for a checkpoint that waits
// for readers, and for a person with the sqlite3 shell.
constexpr int kBusyMs = 5000;

absl::Status CheckOwner(Database& database, const std::string& path, const SqliteSchema& schema,
                        int64_t version) {
  const auto last = static_cast<int64_t>(schema.migrations.size());
  ASSIGN_OR_RETURN(const int64_t application, database.Int("PRAGMA application_id"));
  ASSIGN_OR_RETURN(const int64_t tables, database.Int("SELECT count(*) FROM sqlite_schema"));
  if (tables > 0 && application != schema.application) {
    return FailedPrecondition(fmt::format(
        "{}: the database of another program: move it away or name another folder", path));
  }
  if (version <= last) return absl::OkStatus();
  return FailedPrecondition(fmt::format(
      "{}: written by a newer version (schema {}, this one knows {}): start that version, or move "
      "the file away",
      path, version, last));
}

absl::Status Migrate(Database& database, const SqliteSchema& schema, int64_t version) {
  for (size_t i = static_cast<size_t>(version); i < schema.migrations.size(); ++i) {
    ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database, true));
    RETURN_IF_ERROR(database.Execute(schema.migrations[i]));
    RETURN_IF_ERROR(database.Execute(fmt::format(
        "PRAGMA application_id = {}; PRAGMA user_version = {}", schema.application, i + 1)));
    RETURN_IF_ERROR(transaction.Commit());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenForWriting(const std::string& path,
                                                         const SqliteSchema& schema) {
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(path, kBusyMs));
  ASSIGN_OR_RETURN(const int64_t version, database->Int("PRAGMA user_version"));
  RETURN_IF_ERROR(CheckOwner(*database, path, schema, version));
  // auto_vacuum counts only before the first table. secure_delete would write zeros over all that
  // retention deletes.
  RETURN_IF_ERROR(
      database->Execute(fmt::format("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
                                    "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF;"
                                    "PRAGMA cache_size = -{}; PRAGMA journal_size_limit = 16777216",
                                    schema.cache_kib)));
  RETURN_IF_ERROR(Migrate(*database, schema, version));
  return database;
}

absl::StatusOr<std::unique_ptr<Database>> OpenReader(const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(path, kBusyMs));
  RETURN_IF_ERROR(database->Execute("PRAGMA query_only = ON; PRAGMA cache_size = -16384"));
  return database;
}

}  // namespace huatuo
