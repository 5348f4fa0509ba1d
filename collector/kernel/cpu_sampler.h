// Where the CPUs are found at each tick: bpf/cpu_profile.bpf.c, its events and its maps.
//
// Kernel memory: two sets of E stacks of 1.1 KiB and E counts of 0.15 KiB, E = 32 a CPU, at least
// 1024 and at most 4096: 2.5 MiB, at most 10 MiB. Not thread-safe, but for Counters, SetCgroups and
// what is const.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "bpf/cpu_profile.h"
#include "collector/kernel/bpf_object.h"
#include "collector/kernel/cpu_ticks.h"
#include "collector/root.h"

namespace huatuo {

class CpuSampler {
 public:
  struct Samples {
    std::vector<std::pair<cpu_profile_key, uint64_t>> counts;
    // Innermost first, by id. An id of `counts` that is not here was lost.
    absl::flat_hash_map<uint64_t, std::vector<uint64_t>> stacks;
    bool nearly_full = false;  // come back sooner
  };

  // Loads the programs; samples nothing before SetRate. `tgid` 0: any process.
  static absl::StatusOr<std::unique_ptr<CpuSampler>> Open(
      std::span<const std::string_view> programs, const Root& root, uint32_t tgid);

  // Only these cgroups and those below them, from the first call on.
  absl::Status SetCgroups(const std::vector<cgroup_ref>& cgroups);

  // So many samples a second on each CPU that is online; 0 for none.
  absl::Status SetRate(uint32_t hz);

  // Events on CPUs that came online; none on those that are gone.
  absl::Status FollowCpus() { return ticks_.FollowCpus(); }

  // How often a CPU that came online was not sampled until FollowCpus.
  uint64_t Arrivals() const { return ticks_.arrivals(); }

  // Everything counted since the last call. Waits for an RCU grace period, some 10 ms.
  Samples Drain();

  cpu_profile_counters Counters() const;
  const BpfObject& object() const { return *object_; }

 private:
  CpuSampler(std::unique_ptr<BpfObject> object, const Root& root)
      : object_(std::move(object)),
        ticks_(*object_, "cpu_profile_sample", root, IdleTicks::kNone) {}
  void Empty(uint32_t set, Samples& samples) const;

  const std::unique_ptr<BpfObject> object_;
  CpuTicks ticks_;
  uint32_t set_ = 0;
};

}  // namespace huatuo
