// PostgreSQL with Status, RAII and any bytes; libpqxx and its exceptions stay behind this header.
//
// A PgSession is one connection, used by one thread at a time. Errors: Unavailable for what may
// pass (no server, a lost connection, a time limit, a full disk, a conflict), Internal for the
// rest. A session that has failed is broken and only good for being closed, so that nothing is left
// of what failed.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/store/statement_watch.h"

namespace huatuo {

// The arguments $1, $2, ... of a statement, in PostgreSQL's text form.
using PgArguments = std::vector<std::string>;

// Rows of a statement; cheap to copy. NULL reads as 0 and as an empty text.
class PgResult {
 public:
  struct Rows;
  explicit PgResult(std::shared_ptr<const Rows> rows);

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  uint64_t changed() const;  // rows that the statement wrote
  int64_t Int(size_t row, size_t column) const;
  std::string_view Raw(size_t row, size_t column) const;  // valid as long as a copy of the result
  std::string Text(size_t row, size_t column) const;      // as it was given to EncodeText

 private:
  std::shared_ptr<const Rows> rows_;
  size_t size_ = 0;
};

class PgSession {
 public:
  // `connect` is of ConnectString. Each statement is ended by `watch`, which outlives the session.
  static absl::StatusOr<std::unique_ptr<PgSession>> Open(const std::string& connect,
                                                         StatementWatch& watch);
  ~PgSession();

  // `sql` prepared at its first use and kept.
  absl::StatusOr<PgResult> Kept(const std::string& sql, const PgArguments& arguments = {});
  // `sql` planned for these very arguments.
  absl::StatusOr<PgResult> Once(const std::string& sql, const PgArguments& arguments = {});
  // Calls `take` with all rows, some thousands at a time, so that they need not fit in memory.
  // Within a transaction.
  absl::Status Each(const std::string& sql, const PgArguments& arguments,
                    const std::function<absl::Status(const PgResult&)>& take);
  // COPY of `rows` rows; `fill` sets the columns of each, texts encoded. Within a transaction.
  // postgres.cc has a line for each number of columns in use.
  template <size_t N>
  absl::Status Copy(
      const std::string& table, const std::array<const char*, N>& columns, size_t rows,
      const std::function<void(size_t row, std::array<std::string, N>& fields)>& fill);

  // From now on, Await hands the payloads of NOTIFY on `channel` to `hear`. Once in a session.
  absl::Status Listen(const std::string& channel, std::function<void(std::string payload)> hear);
  // Waits until there is one, `wake` can be read (-1: never), or for so long. Not in a transaction.
  absl::Status Await(std::chrono::milliseconds at_most, int wake);

  bool broken() const { return broken_; }
  // Whether the server has ended it, or said something unasked, since the last statement.
  bool stale() const;

 private:
  friend class PgTransaction;
  struct Connection;
  explicit PgSession(std::unique_ptr<Connection> connection, StatementWatch& watch);
  template <typename F>
  absl::Status Guarded(const F& call);

  std::unique_ptr<Connection> connection_;
  StatementWatch& watch_;
  bool broken_ = false;
};

// Undone when destroyed before Commit. One at a time in a session.
class PgTransaction {
 public:
  enum class Kind {
    kWrite,     // each statement sees what was committed before it
    kSnapshot,  // read only; all statements see the same
  };
  static absl::StatusOr<PgTransaction> Begin(PgSession& session, Kind kind);
  PgTransaction(PgTransaction&& other) noexcept;
  ~PgTransaction();
  // Unavailable also when it is not known whether the server has committed.
  absl::Status Commit();

 private:
  explicit PgTransaction(PgSession& session) : session_(&session) {}
  PgSession* session_;
};

}  // namespace huatuo
