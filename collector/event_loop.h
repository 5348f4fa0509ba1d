// The thread on which every event of the node passes.
//
// Polls the ring, the units' own descriptors and the containers' inotify; feeds the pipeline and
// lets go what is due in it; says when nothing of a closed task is left.
#pragma once

#include <atomic>
#include <functional>
#include <set>
#include <thread>

#include "absl/status/status.h"
#include "collector/decode/pipeline.h"
#include "collector/enrich/containers.h"
#include "collector/kernel/ring.h"
#include "collector/roster.h"
#include "collector/task_ledger.h"

namespace huatuo {

class EventLoop {
 public:
  // `ring` may be null: no BPF here. All must outlive the loop.
  EventLoop(Ring* ring, Containers& containers, Roster& roster, Pipeline& pipeline,
            TaskLedger& ledger);
  ~EventLoop();

  absl::Status Start();
  // Ends the thread after a last look at every source.
  void Stop();

  // Makes the loop turn now; callable from any thread, before Start too.
  void Wake();
  // The set of containers, or of the units' descriptors, has changed.
  void ContainersChanged();
  void UnitsChanged() { Wake(); }

  // Boot time of the newest turn; a loop that stands still is one that hangs.
  int64_t last_turn_ns() const { return last_turn_ns_; }

 private:
  void Run();
  // Returns the tasks that were closing before the ring was drained.
  std::vector<uint32_t> Turn(int timeout_ms);
  void WatchUnits();
  void FinishTasks(const std::vector<uint32_t>& closing);

  Ring* const ring_;
  Containers& containers_;
  Roster& roster_;
  Pipeline& pipeline_;
  TaskLedger& ledger_;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  std::set<int> watched_;  // descriptors of units
  std::atomic<bool> containers_changed_ = true;
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> last_turn_ns_ = 0;
  std::thread thread_;
};

}  // namespace huatuo
