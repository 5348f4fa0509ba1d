// Behind whom the tasks of each container waited for a CPU, and how often they left one.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "bpf/sched.h"
#include "collector/instance.h"
#include "collector/kernel/sched_probe.h"
#include "collector/unit.h"

namespace huatuo {

// Into the unit's metrics; the node's and the containers' histogram come first.
enum RunqlatMetric : size_t {
  kNodeLatency,
  kContainerLatency,
  kOverflow,
  kWaitSeconds,
  kWaitRatio,
  kWaitBy,
  kUnnamedSeconds,
  kSwitches,
};

// Not thread-safe.
class RunqlatWait {
 public:
  // Writes one container's; those that are not written in a round are forgotten with it.
  // `boot_ns`: now.
  void Write(const v1::Container& container, const SchedProbe::Histogram& now, int64_t boot_ns,
             MetricWriter& writer);
  // Ends the round. `other` is who stands for the containers without a slot.
  void WriteCulprits(const SchedProbe& probe, const v1::Container& other, MetricWriter& writer);

 private:
  struct Before {
    std::array<uint64_t, SCHED_BEHINDS> behind_ns{};
    uint64_t since_wall_ns = 0;  // tells one container from the next
    int64_t boot_ns = 0;         // 0: none
    uint64_t round = 0;
  };
  void WriteRatio(const v1::Container& container, const SchedProbe::Histogram& now, int64_t boot_ns,
                  MetricWriter& writer);

  std::map<const v1::Container*, Before> before_;
  std::map<const v1::Container*, uint64_t> unnamed_ns_;  // of this round
  uint64_t round_ = 1;
};

}  // namespace huatuo
