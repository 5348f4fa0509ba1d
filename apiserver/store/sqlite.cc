#include "apiserver/store/sqlite.h"

#include <fmt/format.h>

#include <utility>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

absl::Status ConnectionStatus(sqlite3* connection, int code) {
  const char* path = sqlite3_db_filename(connection, "main");
  return SqliteStatus(code, path == nullptr ? "" : path, sqlite3_errmsg(connection));
}

}  // namespace

absl::Status SqliteStatus(int code, std::string_view path, std::string_view message) {
  const auto with = [&](std::string_view advice) {
    return fmt::format("{}: {}{}", path, message, advice);
  };
  switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
      return absl::OkStatus();
    case SQLITE_FULL:
      return Unavailable(with(": free space there or lower the retention"));
    case SQLITE_IOERR:
      return Unavailable(with(": check the disk and its free space"));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Unavailable(with(": another process holds it, end that or wait"));
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return Unavailable(with(": make the folder exist and writable"));
    case SQLITE_CORRUPT:
      return Internal(
          with(": stop the server and move the file away; `sqlite3 FILE .recover` "
               "saves what can be read"));
    case SQLITE_NOTADB:
      return Internal(with(": move the file away or name another folder"));
    default:
      return Internal(with(fmt::format(" (sqlite {})", code)));
  }
}

void Statement::Release::operator()(sqlite3_stmt* statement) const {
  if (!kept) {
    sqlite3_finalize(statement);
    return;
  }
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
}

Statement& Statement::Bind(int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), ++bound_, value);
  if (code != SQLITE_OK) error_ = code;
  return *this;
}

Statement& Statement::Bind(std::string_view text) {
  // A null pointer would bind NULL instead of an empty text.
  const char* bytes = text.data() == nullptr ? "" : text.data();
  const int code = sqlite3_bind_text64(statement_.get(), ++bound_, bytes, text.size(),
                                       SQLITE_STATIC, SQLITE_UTF8);
  if (code != SQLITE_OK) error_ = code;
  return *this;
}

Statement& Statement::BindBlob(std::string_view bytes) {
  const int code =
      sqlite3_bind_blob64(statement_.get(), ++bound_, bytes.data(), bytes.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) error_ = code;
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  sqlite3* connection = sqlite3_db_handle(statement_.get());
  if (error_ != SQLITE_OK) return ConnectionStatus(connection, error_);
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return ConnectionStatus(connection, code);
}

absl::Status Statement::Run() {
  bool more = true;
  while (more) {
    ASSIGN_OR_RETURN(more, Step());
  }
  return absl::OkStatus();
}

void Statement::Again() {
  sqlite3_reset(statement_.get());
  bound_ = 0;
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string_view Statement::Text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return {static_cast<const char*>(bytes), static_cast<size_t>(size)};
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path, int busy_ms) {
  sqlite3* connection = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &connection, flags, nullptr);
  std::unique_ptr<Database> database(new Database(connection, path));
  if (code != SQLITE_OK) return SqliteStatus(code, path, sqlite3_errmsg(connection));
  sqlite3_extended_result_codes(connection, 1);
  sqlite3_busy_timeout(connection, busy_ms);
  return database;
}

Database::~Database() {
  for (const auto& [sql, statement] : kept_) sqlite3_finalize(statement);
  sqlite3_close(connection_);
}

absl::Status Database::Execute(const std::string& sql) {
  const int code = sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : ConnectionStatus(connection_, code);
}

absl::StatusOr<sqlite3_stmt*> Database::Compile(const std::string& sql, unsigned flags) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(connection_, sql.c_str(), static_cast<int>(sql.size()), flags,
                                      &statement, nullptr);
  if (code != SQLITE_OK) return ConnectionStatus(connection_, code);
  return statement;
}

absl::StatusOr<Statement> Database::Kept(const std::string& sql) {
  const auto found = kept_.find(sql);
  if (found != kept_.end()) return Statement(found->second, true);
  ASSIGN_OR_RETURN(sqlite3_stmt * statement, Compile(sql, SQLITE_PREPARE_PERSISTENT));
  kept_.emplace(sql, statement);
  return Statement(statement, true);
}

absl::StatusOr<Statement> Database::Once(const std::string& sql) {
  ASSIGN_OR_RETURN(sqlite3_stmt * statement, Compile(sql, 0));
  return Statement(statement, false);
}

absl::StatusOr<int64_t> Database::Int(const std::string& sql) {
  ASSIGN_OR_RETURN(Statement statement, Kept(sql));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  return found ? statement.Int(0) : 0;
}

absl::StatusOr<Transaction> Transaction::Begin(Database& database, bool write) {
  ASSIGN_OR_RETURN(Statement begin, database.Kept(write ? "BEGIN IMMEDIATE" : "BEGIN"));
  RETURN_IF_ERROR(begin.Run());
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  // Some errors (full, I/O) have rolled it back already. There is nobody to tell about an error
  // here: the one that led here is on its way to the caller.
  if (database_ == nullptr || !database_->InTransaction()) return;
  sqlite3_exec(database_->connection(), "ROLLBACK", nullptr, nullptr, nullptr);
}

absl::Status Transaction::Commit() {
  ASSIGN_OR_RETURN(Statement commit, database_->Kept("COMMIT"));
  RETURN_IF_ERROR(commit.Run());
  database_ = nullptr;
  return absl::OkStatus();
}

}  // namespace huatuo
