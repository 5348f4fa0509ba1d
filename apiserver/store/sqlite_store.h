// The store in one SQLite file (WAL): nothing to install, survives a kill at any moment.
//
// An append that returned OK is there after a kill -9 of the process; a power cut may cost the last
// commits, but never the file (synchronous = NORMAL). Readers have connections of their own and are
// never held up by the writer. A thread of the store keeps the full-text index up with the events
// (sqlite_text.h). Semantics: memory_store.h.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "apiserver/store/fair_lock.h"
#include "apiserver/store/sqlite.h"
#include "apiserver/store/sqlite_readers.h"
#include "apiserver/store/sqlite_tasks.h"
#include "apiserver/store/store.h"

namespace huatuo {

struct SqliteOptions {
  // Pages of 4 KiB that the file may have; beyond it an append fails as on a full disk. 0: no
  // limit.
  uint64_t max_pages = 0;
};

class SqliteStore : public Store {
 public:
  // Creates the file or brings it up to date. FailedPrecondition when it belongs to a newer version
  // or another program; Internal when it is no database.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path,
                                                           const SqliteOptions& options = {});
  ~SqliteStore() override;

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
  // Keeps the file with its WAL at or below max_bytes, unless that is less than an empty store.
  absl::StatusOr<uint64_t> Prune(const Retention& retention, int64_t now_ns) override;
  absl::StatusOr<StoreUse> Use() override;

  // Waits until the full-text index covers all rows there are now, or until it fails.
  absl::Status AwaitIndex();

 private:
  using Step = std::function<absl::StatusOr<uint64_t>(Database&)>;

  SqliteStore(std::string path, std::unique_ptr<Database> writer);
  absl::StatusOr<uint64_t> Write(std::span<const NodeCommit> commits);
  absl::Status Repeat(const Step& step, uint64_t& total);
  absl::Status PruneAge(int64_t before_ns, uint64_t& events);
  absl::Status PruneSize(uint64_t max_bytes, uint64_t& events);
  absl::Status Shrink(uint64_t max_bytes);
  void Checkpoint(bool truncate);
  uint64_t BytesOnDisk() const;
  absl::StatusOr<uint64_t> IndexStep();
  void IndexLoop(const std::stop_token& stop);

  const std::string path_;
  SqliteReaders readers_;
  FairLock write_lock_;
  std::unique_ptr<Database> writer_;  // under write_lock_
  SqliteTasks tasks_;
  int wal_pages_ = 0;               // under write_lock_
  bool checkpoint_failed_ = false;  // under write_lock_

  std::mutex index_mutex_;
  std::condition_variable_any index_changed_;
  uint64_t appends_ = 0;  // under index_mutex_
  uint64_t indexed_ = 0;  // appends that the index has caught up with
  int index_awaited_ = 0;
  absl::Status index_status_;
  std::jthread indexer_;
};

}  // namespace huatuo
