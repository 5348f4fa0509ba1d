// This process among the apiservers that share one PostgreSQL.
//
// They meet nowhere else: each renews a lease in a row of its own, claims the nodes whose streams
// it has, and leaves mail for the others (postgres_replicas.h). One thread listens for what the
// others commit, and looks at it once a second anyway, since a notification may be missed.
// Thread-safe.
//
// A replica whose lease has run out while others are alive ends the streams that it has: its nodes
// are free, and connect elsewhere. It comes back as a new one.
#pragma once

#include <prometheus/registry.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/ingest/claims.h"
#include "apiserver/ingest/nodes.h"
#include "apiserver/store/commit_signal.h"
#include "apiserver/store/postgres_replicas.h"
#include "apiserver/store/series.h"

namespace huatuo {

struct ReplicaOptions {
  std::string name;
  PostgresOptions postgres;
  std::chrono::milliseconds lease{5000};
  std::chrono::milliseconds look{1000};
};

// What others' changes become news for. Each outlives the replicas.
struct ReplicaSources {
  Nodes& nodes;
  SeriesTable& series;
  CommitSignal& events;        // notified after commits of others, too
  CommitSignal& tasks;         // notified when tasks may have changed in the store
  std::function<void()> look;  // called about once a second
  prometheus::Registry& registry;
};

class Replicas : public Claims {
 public:
  // After the store was opened; from now on the others know of this one.
  static absl::StatusOr<std::unique_ptr<Replicas>> Start(const ReplicaOptions& options,
                                                         const ReplicaSources& sources);
  // The others know at once that it is gone.
  ~Replicas() override;

  // Where it can be reached.
  void Announce(const std::string& http, const std::string& grpc);

  absl::StatusOr<uint64_t> Take(const v1::Hello& hello, const std::string& collector) override;
  void Release(const std::string& node, uint64_t number) override;

  // Whether this one is to do what is done once for all: the oldest that is alive.
  bool turn() const;
  const std::string& name() const;

  struct Peer {
    ReplicaRow row;
    bool self = false;
    bool turn = false;
  };
  // As of the last look.
  std::vector<Peer> List() const;

 private:
  struct State;
  explicit Replicas(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace huatuo
