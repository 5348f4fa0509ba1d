// What apiservers on one PostgreSQL tell each other through it: which of them are alive, which node
// each of them holds, and mail for one of them.
//
// All times are the server's. Everything that changes is told on the channel `huatuo` as "KIND
// SENDER": "event" and "task" by the stores, "claim" and "mail" from here, with PostgresProcessName
// as the sender. A notification only says that it is worth to look, and may be missed. Thread-safe;
// errors as in postgres.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/store/postgres_pool.h"

namespace huatuo {

// A process that serves; its row is gone some time after its lease has run out.
struct ReplicaRow {
  int64_t id = 0;  // grows with each start
  std::string name;
  std::string http;
  std::string grpc;
  int64_t started_ns = 0;
  int64_t silent_ms = 0;  // since the lease was renewed
  uint64_t nodes = 0;     // that it holds
};

struct ClaimRow {
  std::string node;
  int64_t replica = 0;    // 0: nobody's
  uint64_t number = 0;    // one more each time that somebody takes it
  uint64_t revision = 0;  // one more each time that the node's fact was written
};

struct MailRow {
  int64_t recipient = 0;
  int64_t sender = 0;
  std::string node;
  bool reply = false;
  std::string message;  // any bytes
};

class PostgresReplicas {
 public:
  // After the store was opened, which makes the tables.
  PostgresReplicas(const PostgresOptions& options, std::chrono::milliseconds lease);

  std::chrono::milliseconds lease() const { return lease_; }

  // The id of a new replica, alive for a lease.
  absl::StatusOr<int64_t> Register(const std::string& name);
  absl::Status Announce(int64_t id, const std::string& http, const std::string& grpc);
  // The replica is gone at once, and with it its claims.
  absl::Status Leave(int64_t id);

  struct Renewal {
    bool alive = false;     // false: its lease ran out, and others have been told so
    uint64_t position = 0;  // of the newest event
  };
  absl::StatusOr<Renewal> Renew(PgSession& session, int64_t id);
  // Those whose lease runs, by id.
  absl::StatusOr<std::vector<ReplicaRow>> Alive(PgSession& session);
  // Deletes those whose lease ran out half a lease ago, and mail that nobody fetched in a minute.
  absl::Status Reap(PgSession& session);

  struct Taken {
    uint64_t number = 0;
    std::string refusal;  // not empty: who has it, and what to do
  };
  // A node is taken from a replica that is not alive, and from any other one by the same collector
  // (`identity`), which has given up its older stream. With `free`, also from `id` itself.
  absl::StatusOr<Taken> Take(int64_t id, const std::string& node, const std::string& identity,
                             const std::string& hostname, bool free);
  // Those that nobody else has taken since.
  absl::Status Release(PgSession& session, int64_t id,
                       const std::vector<std::pair<std::string, uint64_t>>& claims);
  // The facts of these nodes of `id` have changed.
  absl::Status Revise(int64_t id, const std::vector<std::string>& nodes);
  absl::StatusOr<std::vector<ClaimRow>> Claims(PgSession& session);

  absl::Status Post(const MailRow& mail);
  // In order; each is handed out once.
  absl::StatusOr<std::vector<MailRow>> Fetch(PgSession& session, int64_t id);

  // A session that hands the notifications of other processes out: their kind.
  absl::StatusOr<std::unique_ptr<PgSession>> Listen(std::function<void(std::string kind)> hear);

 private:
  const PostgresOptions options_;
  const std::chrono::milliseconds lease_;
  PostgresPool pool_;
  StatementWatch watch_;
};

}  // namespace huatuo
