// Tasks in the SQLite file. Semantics: memory_tasks.h.
#pragma once

#include "apiserver/store/fair_lock.h"
#include "apiserver/store/sqlite.h"
#include "apiserver/store/sqlite_readers.h"
#include "apiserver/store/tasks.h"

namespace huatuo {

class SqliteTasks : public TaskStore {
 public:
  // `writer` is used under `write_lock` only.
  SqliteTasks(FairLock& write_lock, Database& writer, SqliteReaders& readers)
      : write_lock_(write_lock), writer_(writer), readers_(readers) {}

  absl::Status Save(TaskRow& row) override;
  absl::StatusOr<std::optional<TaskRow>> Find(std::string_view id) override;
  absl::StatusOr<std::vector<TaskRow>> List(const TaskFilter& filter, uint64_t before,
                                            size_t limit) override;
  absl::Status Prune(int64_t ended_ns) override;

 private:
  FairLock& write_lock_;
  Database& writer_;
  SqliteReaders& readers_;
};

}  // namespace huatuo
