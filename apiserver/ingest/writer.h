// Writes events into the store, from one queue of all streams (commit_queue.h).
//
// A commit that the store calls invalid is divided until the entries that are to blame are found;
// those are stored as rejected.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "apiserver/ingest/commit_queue.h"
#include "apiserver/ingest/ingest_metrics.h"
#include "apiserver/store/commit_signal.h"
#include "apiserver/store/store.h"
#include "common/clock.h"

namespace huatuo {

class Writer {
 public:
  // What became of a commit. What was stored already, as far as this process wrote it, does not
  // count again.
  struct Outcome {
    uint64_t previous = 0;  // high-water mark before; 0 also when this process does not know it
    uint64_t high_water = 0;
    uint64_t events = 0;
    uint64_t rejected = 0;
  };
  using Stored = std::function<void(const Outcome&)>;

  Writer(Appender& appender, CommitSignal& signal, IngestMetrics& metrics, const Clock& clock,
         WriterOptions options = {});
  // Never blocks and always takes the commit. `stored` is called on the writer's thread once it is
  // in the store, never when it is not.
  Pressure Submit(NodeCommit commit, Stored stored);

  // As of CommitQueue.
  void OnRoom(std::function<void()> room) { queue_.OnRoom(std::move(room)); }
  std::optional<std::string> Stalled(int64_t boot_now_ns) const {
    return queue_.Stalled(boot_now_ns);
  }
  std::string failure() const { return queue_.failure(); }

 private:
  using Queue = CommitQueue<NodeCommit, Stored>;
  using Item = Queue::Item;
  using Group = Queue::Group;

  absl::Status CommitGroup(Group& group);
  absl::Status CommitEach(Group& group);
  absl::Status Divide(NodeCommit& commit);
  absl::Status Append(std::span<const NodeCommit> commits);
  void Done(Group& group);
  Outcome Count(const NodeCommit& commit);

  Appender& appender_;
  CommitSignal& signal_;
  IngestMetrics& metrics_;
  const Clock& clock_;
  int64_t group_ns_ = 0;  // when the newest group was begun; used by the thread only
  // The newest (epoch, high-water mark) of each node. Used by the thread only.
  std::map<std::string, std::pair<std::string, uint64_t>> marks_;
  Queue queue_;  // last: its thread uses the others
};

}  // namespace huatuo
