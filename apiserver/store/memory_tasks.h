// Tasks in the memory of the process: the definition of what a TaskStore does.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "apiserver/store/tasks.h"

namespace huatuo {

class MemoryTasks : public TaskStore {
 public:
  absl::Status Save(TaskRow& row) override;
  absl::StatusOr<std::optional<TaskRow>> Find(std::string_view id) override;
  absl::StatusOr<std::vector<TaskRow>> List(const TaskFilter& filter, uint64_t before,
                                            size_t limit) override;
  absl::Status Prune(int64_t ended_ns) override;

 private:
  std::mutex mutex_;
  uint64_t last_position_ = 0;
  std::map<uint64_t, TaskRow> rows_;  // by position
  std::map<std::string, uint64_t, std::less<>> by_id_;
};

}  // namespace huatuo
