// The store in PostgreSQL, for as many apiservers as there are: nothing that matters is kept in the
// process alone.
//
// An append that returned OK is committed there, as durable as the server's own settings make it.
// While the server cannot be reached each call is Unavailable, and the next one connects anew. A
// server that does not answer is given up after the time limit of PostgresOptions. Semantics:
// memory_store.h; how positions keep their promise: postgres_writer.h; what goes by size: the
// oldest day as a whole, and rows when there is only one (postgres_days.h).
#pragma once

#include <memory>

#include "apiserver/store/postgres_pool.h"
#include "apiserver/store/postgres_tasks.h"
#include "apiserver/store/store.h"

namespace huatuo {

class PostgresStore : public Store {
 public:
  // Connects, and brings the tables up to date. Errors of ConnectString and MigratePostgres.
  static absl::StatusOr<std::unique_ptr<PostgresStore>> Open(const PostgresOptions& options);

  absl::StatusOr<uint64_t> Append(std::span<const NodeCommit> commits) override;
  absl::StatusOr<uint64_t> HighWater(std::string_view node, std::string_view epoch) override;
  absl::StatusOr<std::vector<StoredEvent>> Query(const EventFilter& filter, Order order,
                                                 uint64_t after, size_t limit) override;
  absl::StatusOr<std::vector<EventCount>> Count(const EventFilter& filter,
                                                int64_t step_ns) override;
  absl::StatusOr<std::optional<StoredEvent>> Get(std::string_view tracer_id) override;
  absl::StatusOr<uint64_t> Newest() override;
  absl::StatusOr<std::vector<RejectedRow>> Rejected(std::string_view node, size_t limit) override;
  absl::Status Put(std::string_view kind, std::string_view key, std::string_view value) override;
  absl::StatusOr<bool> Swap(std::string_view kind, std::string_view key,
                            std::optional<std::string_view> expected,
                            std::string_view value) override;
  absl::StatusOr<std::optional<std::string>> Fact(std::string_view kind,
                                                  std::string_view key) override;
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Facts(
      std::string_view kind) override;
  TaskStore& tasks() override { return tasks_; }
  absl::StatusOr<uint64_t> Prune(const Retention& retention, int64_t now_ns) override;
  absl::StatusOr<StoreUse> Use() override;

 private:
  explicit PostgresStore(const PostgresOptions& options) : pool_(options), tasks_(pool_) {}
  absl::StatusOr<uint64_t> PruneAge(int64_t before_ns);

  PostgresPool pool_;
  PostgresTasks tasks_;
};

}  // namespace huatuo
