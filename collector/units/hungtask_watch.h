// From sweeps to events: who is to be reported, and with what.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "collector/instance.h"
#include "collector/units/hungtask_event.h"
#include "collector/units/hungtask_source.h"
#include "collector/units/hungtask_table.h"

namespace huatuo {

// Sweep is called on the event thread only; the counters are thread-safe.
class HungtaskWatch {
 public:
  // Keeps references to all but `request`.
  HungtaskWatch(const OpenRequest& request, HungtaskSource& source, const Resources& resources);

  // Looks at all tasks once. Stacks are asked for only when there is something to report.
  void Sweep(const HungtaskTable::Limits& limits);

  uint64_t emitted() const { return emitted_; }
  uint64_t refused() const { return refused_; }

 private:
  bool Look(const HungtaskTable::Limits& limits, std::vector<Hungtask>& events);
  bool Reports(const HungtaskTable::Key& key, uint32_t tgid, const cgroup_ref& cgroup,
               const HungtaskTable::Limits& limits);
  void AddStacks(std::vector<Hungtask>& events);

  const OpenRequest request_;
  HungtaskSource& source_;
  const Clock& clock_;
  Context& context_;
  EventSink& sink_;
  HungtaskTable table_;
  uint64_t untracked_ = 0;  // as told to sink_
  std::atomic<uint64_t> emitted_ = 0, refused_ = 0;
};

}  // namespace huatuo
