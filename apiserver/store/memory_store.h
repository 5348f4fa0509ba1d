// A store in the memory of the process: the definition of what a store does, and the store of
// tests and of an apiserver that need not remember. Bounded by Prune alone.
//
// What store.h leaves open is settled here:
// * Positions count from 1 and are never used again.
// * An event whose tracer_id is stored already is skipped when it is the same event (node, tracer
//   and tracer time agree), as after a lost epoch; otherwise it becomes a rejected row.
// * The high-water mark never falls, and covers every sequence that was stored or rejected.
// * Prune by age removes every row whose uploaded_ns is before now - max_age, by size the lowest
//   positions first, together with the rejected rows that are no younger; and the high-water marks
//   of epochs that ended (the node has a newer one) and are older than max_age.
// * Rejected rows come newest first, an empty node means all; facts in the order of their keys.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "apiserver/store/memory_tasks.h"
#include "apiserver/store/store.h"

namespace huatuo {

class MemoryStore : public Store {
 public:
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
  using Pair = std::pair<std::string, std::string>;
  using Row = std::shared_ptr<const StoredEvent>;
  using Rows = std::map<uint64_t, Row>;
  struct Mark {
    uint64_t high_water = 0;
    int64_t uploaded_ns = 0;
  };
  struct Refusal {
    std::string node;
    int64_t uploaded_ns = 0;
    RejectedRow row;
  };

  std::vector<Row> Beyond(uint64_t after, Order order) const;
  uint64_t AppendOne(const NodeCommit& commit);
  bool Insert(const NodeCommit& commit, const EventRow& event);
  void Reject(const NodeCommit& commit, RejectedRow row);
  Rows::iterator Erase(Rows::iterator row);
  void PruneAge(int64_t before_ns);
  void PruneSize(uint64_t max_bytes);
  void EraseRefusals(int64_t until_ns);

  mutable std::mutex mutex_;
  uint64_t last_position_ = 0;
  uint64_t bytes_ = 0;
  Rows rows_;
  absl::flat_hash_map<std::string_view, Row> by_tracer_id_;  // the row's own text is the key
  std::map<Pair, Mark> marks_;                               // (node, epoch)
  std::multimap<int64_t, Refusal> refusals_;                 // by uploaded_ns
  std::map<Pair, std::string> facts_;                        // (kind, key)
  MemoryTasks tasks_;
};

}  // namespace huatuo
