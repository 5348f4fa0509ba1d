// Samples of processes that will most likely live on wait, so that their mappings and symbol tables
// are read once for many drains. What has lived long goes on to live long; what is young is passed
// on at once, because it may have no names any more at the next drain. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "collector/kernel/cpu_sampler.h"

namespace huatuo {

class SampleHold {
 public:
  static constexpr int64_t kOldNs = 60'000'000'000;
  static constexpr int64_t kHoldNs = 10'000'000'000;
  static constexpr size_t kMaxStacks = 2'048;  // 2 MiB at most

  // What is to be resolved now, of `drained` and of what was held: nothing is held for longer than
  // kHoldNs, and nothing more once there are kMaxStacks. `now_ns`: CLOCK_BOOTTIME.
  CpuSampler::Samples Sift(CpuSampler::Samples drained, int64_t now_ns);

  // Everything that is held.
  CpuSampler::Samples Rest();

 private:
  CpuSampler::Samples held_;
  int64_t since_ns_ = 0;  // of the oldest in held_
};

}  // namespace huatuo
