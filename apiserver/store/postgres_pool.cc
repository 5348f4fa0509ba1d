#include "apiserver/store/postgres_pool.h"

#include <fmt/format.h>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// The server ends a statement that is late; this is for a server that does not.
constexpr std::chrono::seconds kGrace(5);

}  // namespace

PostgresPool::PostgresPool(PostgresOptions options)
    : options_(std::move(options)), watch_(options_.timeout + kGrace) {}

absl::StatusOr<PostgresPool::Lease> PostgresPool::Borrow() {
  {
    std::unique_lock lock(mutex_);
    const bool free =
        changed_.wait_for(lock, options_.timeout, [this] { return lent_ < options_.connections; });
    if (!free) {
      return Unavailable(fmt::format("postgres: all {} connections are in use", lent_));
    }
    ++lent_;
    while (!idle_.empty()) {
      std::unique_ptr<PgSession> session = std::move(idle_.back());
      idle_.pop_back();
      if (!session->stale()) return Lease(*this, std::move(session));
    }
  }
  absl::StatusOr<std::unique_ptr<PgSession>> session = Connect();
  if (!session.ok()) Leave();
  RETURN_IF_ERROR(session.status());
  return Lease(*this, *std::move(session));
}

absl::StatusOr<std::unique_ptr<PgSession>> PostgresPool::Connect() {
  ASSIGN_OR_RETURN(const std::string connect, ConnectString(options_));
  return PgSession::Open(connect, watch_);
}

void PostgresPool::GiveBack(std::unique_ptr<PgSession> session) {
  std::vector<std::unique_ptr<PgSession>> closing;
  {
    const std::lock_guard lock(mutex_);
    if (session->broken()) {
      closing = std::exchange(idle_, {});
    } else {
      idle_.push_back(std::move(session));
    }
  }
  session.reset();
  closing.clear();
  Leave();
}

void PostgresPool::Leave() {
  {
    const std::lock_guard lock(mutex_);
    --lent_;
  }
  changed_.notify_one();
}

}  // namespace huatuo
