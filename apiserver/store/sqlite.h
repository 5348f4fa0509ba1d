// SQLite with Status, RAII and bytes.
//
// A Database is one connection, used by one thread at a time. Strings are bound with their length,
// so that NUL and invalid UTF-8 come back as they went in. Errors: Unavailable for what may pass
// (busy, full, an I/O error), Internal for a file that is damaged or no database; both name the
// file and say what to do.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace huatuo {

// A prepared statement; bound arguments must outlive the steps. Destroying one that the Database
// keeps for the next use resets it, so that no transaction stays open.
class Statement {
 public:
  // The next argument, from the left.
  Statement& Bind(int64_t value);
  Statement& Bind(std::string_view text);
  Statement& BindBlob(std::string_view bytes);

  absl::StatusOr<bool> Step();  // false: no more rows
  absl::Status Run();           // all steps; rows are ignored
  void Again();                 // ready for other arguments

  // Of the present row; texts are valid until the next step.
  int64_t Int(int column) const;
  std::string_view Text(int column) const;

 private:
  friend class Database;
  struct Release {
    bool kept = false;
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(sqlite3_stmt* statement, bool kept) : statement_(statement, Release{kept}) {}

  std::unique_ptr<sqlite3_stmt, Release> statement_;
  int bound_ = 0;
  int error_ = SQLITE_OK;
};

class Database {
 public:
  // Creates the file when it does not exist. A statement waits `busy_ms` for a lock.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path, int busy_ms);
  ~Database();

  // One or more statements without arguments.
  absl::Status Execute(const std::string& sql);

  // `sql` as a statement that is compiled once and kept. At most one use of it at a time.
  absl::StatusOr<Statement> Kept(const std::string& sql);
  // `sql` as a statement for one use.
  absl::StatusOr<Statement> Once(const std::string& sql);

  // The first column of the first row, 0 when there is none.
  absl::StatusOr<int64_t> Int(const std::string& sql);

  int64_t Changes() const { return sqlite3_changes64(connection_); }
  int64_t LastRowid() const { return sqlite3_last_insert_rowid(connection_); }
  bool InTransaction() const { return sqlite3_get_autocommit(connection_) == 0; }
  sqlite3* connection() const { return connection_; }

 private:
  Database(sqlite3* connection, std::string path)
      : connection_(connection), path_(std::move(path)) {}
  absl::StatusOr<sqlite3_stmt*> Compile(const std::string& sql, unsigned flags);

  sqlite3* connection_;
  std::string path_;
  std::map<std::string, sqlite3_stmt*> kept_;
};

// The Status of a SQLite result code (extended or not) of the file at `path`.
absl::Status SqliteStatus(int code, std::string_view path, std::string_view message);

// Undone when destroyed before Commit.
class Transaction {
 public:
  // `write` takes the write lock now, so that nothing read before a write can change meanwhile.
  static absl::StatusOr<Transaction> Begin(Database& database, bool write);
  Transaction(Transaction&& other) noexcept;
  ~Transaction();
  absl::Status Commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace huatuo
