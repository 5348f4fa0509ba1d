// Connections to PostgreSQL, as many as there are users at a time up to a limit.
//
// A connection that has failed is closed when it is given back, with all that were idle then: after
// a restart of the server they are lost, too. The next user connects anew.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/store/postgres.h"
#include "apiserver/store/postgres_options.h"

namespace huatuo {

// Thread-safe; outlives what it lends.
class PostgresPool {
 public:
  explicit PostgresPool(PostgresOptions options);

  // A session for one thread, given back when destroyed.
  class Lease {
   public:
    Lease(PostgresPool& owner, std::unique_ptr<PgSession> session)
        : owner_(&owner), session_(std::move(session)) {}
    Lease(Lease&& other) noexcept = default;
    ~Lease() {
      if (session_ != nullptr) owner_->GiveBack(std::move(session_));
    }
    PgSession& operator*() const { return *session_; }
    PgSession* operator->() const { return session_.get(); }

   private:
    PostgresPool* owner_;
    std::unique_ptr<PgSession> session_;
  };

  // Unavailable when the server cannot be reached, or when no connection was given back in time.
  absl::StatusOr<Lease> Borrow();

 private:
  absl::StatusOr<std::unique_ptr<PgSession>> Connect();
  void GiveBack(std::unique_ptr<PgSession> session);
  void Leave();

  const PostgresOptions options_;
  StatementWatch watch_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t lent_ = 0;
  std::vector<std::unique_ptr<PgSession>> idle_;
};

}  // namespace huatuo
