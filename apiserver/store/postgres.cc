#include "apiserver/store/postgres.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <pqxx/pqxx>
#include <unordered_map>
#include <utility>

#include "apiserver/store/postgres_text.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Of Each.
constexpr int kRowsOfFetch = 5000;

// Classes of SQLSTATE, and states, of what may pass: lost connections, a standby, logins,
// conflicts, no resources, a lock that is not free, an operator's or a time limit's cancellation,
// the system below, a partition that was dropped between planning and reading.
constexpr std::string_view kPassing[] = {"08", "25006", "25P03", "28", "3D",   "40",
                                         "53", "55",    "57",    "58", "XX000"};

bool MayPass(std::string_view state) {
  // Nothing is said of a connection that was lost.
  return state.empty() || std::any_of(std::begin(kPassing), std::end(kPassing),
                                      [&](std::string_view s) { return state.starts_with(s); });
}

// The first line of what the server or libpq says.
std::string Reason(const std::exception& error) {
  std::string_view text = error.what();
  text = text.substr(0, text.find('\n'));
  return fmt::format("postgres: {}", text);
}

// Of the exception that is being handled.
absl::Status Caught() {
  try {
    throw;
  } catch (const pqxx::sql_error& error) {
    return MayPass(error.sqlstate()) ? Unavailable(Reason(error)) : Internal(Reason(error));
  } catch (const pqxx::failure& error) {
    return Unavailable(Reason(error));
  } catch (const std::exception& error) {
    return Internal(Reason(error));
  }
}

using Snapshot =
    pqxx::transaction<pqxx::isolation_level::repeatable_read, pqxx::readwrite_policy::read_only>;

class Ear : public pqxx::notification_receiver {
 public:
  Ear(pqxx::connection_base& connection, const std::string& channel,
      std::function<void(std::string)> hear)
      : notification_receiver(connection, channel), hear_(std::move(hear)) {}
  void operator()(const std::string& payload, int /*pid*/) override { hear_(payload); }

 private:
  const std::function<void(std::string)> hear_;
};

}  // namespace

struct PgResult::Rows {
  explicit Rows(pqxx::result of) : result(std::move(of)) {}
  pqxx::result result;
};

PgResult::PgResult(std::shared_ptr<const Rows> rows)
    : rows_(std::move(rows)), size_(rows_->result.size()) {}

uint64_t PgResult::changed() const { return rows_->result.affected_rows(); }

std::string_view PgResult::Raw(size_t row, size_t column) const {
  const pqxx::field field = rows_->result[static_cast<pqxx::result::size_type>(row)]
                                         [static_cast<pqxx::row::size_type>(column)];
  return {field.c_str(), field.size()};
}

std::string PgResult::Text(size_t row, size_t column) const { return DecodeText(Raw(row, column)); }

int64_t PgResult::Int(size_t row, size_t column) const {
  const std::string_view text = Raw(row, column);
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct PgSession::Connection {
  explicit Connection(const std::string& connect) : pq(connect) {
    // A connection of libpqxx would connect anew by itself, without what belongs to the session.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    pq.inhibit_reactivation(true);
#pragma GCC diagnostic pop
    // A number of ours for the socket, which libpq may close and the system then give to another.
    socket = dup(pq.sock());
  }
  ~Connection() {
    if (socket >= 0) close(socket);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs `call` in the transaction there is, or by itself.
  template <typename F>
  PgResult In(const F& call) {
    if (transaction) return PgResult(std::make_shared<PgResult::Rows>(call(*transaction)));
    pqxx::nontransaction alone(pq);
    return PgResult(std::make_shared<PgResult::Rows>(call(alone)));
  }

  pqxx::connection pq;
  int socket = -1;
  std::unique_ptr<pqxx::dbtransaction> transaction;
  std::unordered_map<std::string, std::string> prepared;  // sql → name
  std::unique_ptr<Ear> ear;                               // null: does not listen
};

PgSession::PgSession(std::unique_ptr<Connection> connection, StatementWatch& watch)
    : connection_(std::move(connection)), watch_(watch) {}

// What is undone here says nothing new when it fails.
PgSession::~PgSession() {
  try {
    connection_.reset();
  } catch (const std::exception&) {
  }
}

absl::StatusOr<std::unique_ptr<PgSession>> PgSession::Open(const std::string& connect,
                                                           StatementWatch& watch) {
  try {
    return std::unique_ptr<PgSession>(new PgSession(std::make_unique<Connection>(connect), watch));
  } catch (const std::exception&) {
    return Caught();
  }
}

bool PgSession::stale() const {
  pollfd socket{connection_->socket, POLLIN | POLLRDHUP, 0};
  return poll(&socket, 1, 0) != 0;
}

template <typename F>
absl::Status PgSession::Guarded(const F& call) {
  const StatementWatch::Guard guard(watch_, connection_->socket);
  try {
    call();
    return absl::OkStatus();
  } catch (const std::exception&) {
    broken_ = true;
    return Caught();
  }
}

absl::StatusOr<PgResult> PgSession::Kept(const std::string& sql, const PgArguments& arguments) {
  std::optional<PgResult> result;
  RETURN_IF_ERROR(Guarded([&] {
    const auto [at, is_new] = connection_->prepared.try_emplace(
        sql, "huatuo" + std::to_string(connection_->prepared.size()));
    const std::string& name = at->second;
    if (is_new) connection_->pq.prepare(name, sql);
    result = connection_->In([&](pqxx::transaction_base& transaction) {
      return transaction.exec_prepared(name, pqxx::prepare::make_dynamic_params(arguments));
    });
  }));
  return *std::move(result);
}

absl::StatusOr<PgResult> PgSession::Once(const std::string& sql, const PgArguments& arguments) {
  std::optional<PgResult> result;
  RETURN_IF_ERROR(Guarded([&] {
    result = connection_->In([&](pqxx::transaction_base& transaction) {
      return arguments.empty()
                 ? transaction.exec(sql)
                 : transaction.exec_params(sql, pqxx::prepare::make_dynamic_params(arguments));
    });
  }));
  return *std::move(result);
}

absl::Status PgSession::Each(const std::string& sql, const PgArguments& arguments,
                             const std::function<absl::Status(const PgResult&)>& take) {
  RETURN_IF_ERROR(Once("DECLARE each_row NO SCROLL CURSOR FOR " + sql, arguments).status());
  while (true) {
    ASSIGN_OR_RETURN(const PgResult rows,
                     Once(fmt::format("FETCH {} FROM each_row", kRowsOfFetch)));
    if (rows.empty()) return Once("CLOSE each_row").status();
    RETURN_IF_ERROR(take(rows));
  }
}

absl::Status PgSession::Listen(const std::string& channel,
                               std::function<void(std::string payload)> hear) {
  return Guarded(
      [&] { connection_->ear = std::make_unique<Ear>(connection_->pq, channel, std::move(hear)); });
}

absl::Status PgSession::Await(std::chrono::milliseconds at_most, int wake) {
  RETURN_IF_ERROR(Guarded([&] { connection_->pq.get_notifs(); }));
  pollfd ready[] = {{connection_->socket, POLLIN | POLLRDHUP, 0}, {wake, POLLIN, 0}};
  poll(ready, std::size(ready), static_cast<int>(at_most.count()));
  return Guarded([&] { connection_->pq.get_notifs(); });
}

// libpqxx takes the fields of a row as a tuple only, which an array is as well.
template <size_t N>
absl::Status PgSession::Copy(
    const std::string& table, const std::array<const char*, N>& columns, size_t rows,
    const std::function<void(size_t row, std::array<std::string, N>& fields)>& fill) {
  return Guarded([&] {
    pqxx::stream_to stream(*connection_->transaction, table, columns);
    std::array<std::string, N> fields;
    for (size_t row = 0; row < rows; ++row) {
      fill(row, fields);
      stream << fields;
    }
    stream.complete();
  });
}

template <size_t N>
using Fill = std::function<void(size_t, std::array<std::string, N>&)>;
template absl::Status PgSession::Copy(const std::string&, const std::array<const char*, 7>&, size_t,
                                      const Fill<7>&);
template absl::Status PgSession::Copy(const std::string&, const std::array<const char*, 12>&,
                                      size_t, const Fill<12>&);
template absl::Status PgSession::Copy(const std::string&, const std::array<const char*, 16>&,
                                      size_t, const Fill<16>&);

absl::StatusOr<PgTransaction> PgTransaction::Begin(PgSession& session, Kind kind) {
  RETURN_IF_ERROR(session.Guarded([&] {
    pqxx::connection& pq = session.connection_->pq;
    if (kind == Kind::kSnapshot) {
      session.connection_->transaction = std::make_unique<Snapshot>(pq);
    } else {
      session.connection_->transaction = std::make_unique<pqxx::work>(pq);
    }
  }));
  return PgTransaction(session);
}

PgTransaction::PgTransaction(PgTransaction&& other) noexcept
    : session_(std::exchange(other.session_, nullptr)) {}

PgTransaction::~PgTransaction() {
  if (session_ == nullptr) return;
  // A session that has failed is closed, which undoes as much and waits for nobody.
  (void)session_->Guarded([&] {
    if (!session_->broken()) session_->connection_->transaction->abort();
    session_->connection_->transaction.reset();
  });
}

absl::Status PgTransaction::Commit() {
  PgSession& session = *std::exchange(session_, nullptr);
  return session.Guarded([&] {
    session.connection_->transaction->commit();
    session.connection_->transaction.reset();
  });
}

}  // namespace huatuo
