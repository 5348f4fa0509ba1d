// Tasks in PostgreSQL. Semantics: memory_tasks.h.
#pragma once

#include "apiserver/store/postgres_pool.h"
#include "apiserver/store/tasks.h"

namespace huatuo {

class PostgresTasks : public TaskStore {
 public:
  explicit PostgresTasks(PostgresPool& pool) : pool_(pool) {}

  absl::Status Save(TaskRow& row) override;
  absl::StatusOr<std::optional<TaskRow>> Find(std::string_view id) override;
  absl::StatusOr<std::vector<TaskRow>> List(const TaskFilter& filter, uint64_t before,
                                            size_t limit) override;
  absl::Status Prune(int64_t ended_ns) override;

 private:
  PostgresPool& pool_;
};

}  // namespace huatuo
