// Which tasks wait uninterruptibly, since when, and which of them are to be reported.
//
// The kernel keeps no time at which a task began to wait. A task that has not run between two
// sweeps has waited since the first of them, so a time told here is too short by up to one sweep,
// never too long. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "bpf/hungtask.h"
#include "collector/enrich/cgroup_ref.h"

namespace huatuo {

class HungtaskTable {
 public:
  // Bounds of memory: some 4 MiB together.
  static constexpr size_t kMaxWaiting = 16384;
  static constexpr size_t kMaxReported = 16384;

  struct Limits {
    uint64_t threshold_ns = 0;
    uint64_t cooldown_ns = 0;       // at most one report of a task in this time
    uint64_t limit_per_minute = 0;  // reports of one cgroup
  };

  // tid and start time: names a task for ever.
  using Key = std::pair<uint32_t, uint64_t>;
  static Key KeyOf(const hungtask_task& task) { return {task.tid, task.start_ns}; }

  // A task as its last sweep saw it, without stack.
  struct Waiting {
    uint64_t state_ns = 0;
    Key key;
    uint32_t tgid = 0;
    cgroup_ref cgroup{};
    std::array<char, EVENT_COMM_LEN> comm{};
  };

  void BeginSweep(uint64_t now_ns);
  // Of each task that the sweep finds; only what is before `stack` is read.
  void See(const hungtask_task& task);
  // Forgets who was not seen. Returns those that wait for the threshold or longer and cannot be
  // killed, the longest first.
  std::vector<Waiting> EndSweep(const Limits& limits);

  // Whether this task is to be reported now; then it is not again during the cool-down.
  enum class Verdict { kReport, kReportedBefore, kRefused };
  Verdict Judge(const Key& key, const cgroup_ref& cgroup, const Limits& limits);

  // How long the task is known to wait.
  std::optional<uint64_t> StateNs(const Key& key) const;
  // The `count` longest waits.
  std::vector<Waiting> Longest(size_t count) const;
  // All that the last sweep saw, also those beyond the bound.
  uint64_t seen() const { return seen_; }
  // Tasks that found no room so far; they cannot be found to be hung.
  uint64_t untracked() const { return untracked_; }

 private:
  struct Track {
    uint64_t switches = 0;
    uint64_t since_ns = 0;
    uint64_t sweep = 0;
    cgroup_ref cgroup{};
    uint32_t tgid = 0;
    bool killable = false;
    std::array<char, EVENT_COMM_LEN> comm{};
  };
  struct Window {
    uint64_t start_ns = 0;
    uint64_t count = 0;
  };
  bool WithinLimit(const CgroupRef& cgroup, uint64_t limit_per_minute);
  void ExpireReports(uint64_t cooldown_ns);
  Waiting Row(const Key& key, const Track& track) const;

  absl::flat_hash_map<Key, Track> waiting_;
  absl::flat_hash_map<Key, uint64_t> reported_;     // when
  std::deque<std::pair<uint64_t, Key>> reports_;    // of reported_, the oldest first
  absl::flat_hash_map<CgroupRef, Window> windows_;  // of those who reported in this minute
  uint64_t now_ns_ = 0;
  uint64_t sweep_ = 0;
  uint64_t seen_ = 0;
  uint64_t untracked_ = 0;
};

}  // namespace huatuo
