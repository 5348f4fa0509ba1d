#include "collector/units/cpu_profile_hold.h"

#include <algorithm>
#include <utility>

namespace huatuo {
namespace {

// 0 is no stack.
void CopyStack(uint64_t id, const CpuSampler::Samples& from, CpuSampler::Samples& to) {
  const auto it = from.stacks.find(id);
  if (it != from.stacks.end()) to.stacks.insert(*it);
}

void Append(const CpuSampler::Samples& from, CpuSampler::Samples& to) {
  to.counts.insert(to.counts.end(), from.counts.begin(), from.counts.end());
  to.stacks.insert(from.stacks.begin(), from.stacks.end());
}

}  // namespace

CpuSampler::Samples SampleHold::Sift(CpuSampler::Samples drained, int64_t now_ns) {
  if (held_.counts.empty()) since_ns_ = now_ns;
  // Keys share stacks: those of what is held are copied, and all stay with what is passed on.
  const auto hold = [&](const auto& sample) {
    const cpu_profile_key& key = sample.first;
    const bool old = now_ns - static_cast<int64_t>(key.start_ns) >= kOldNs;
    if (!old || held_.stacks.size() >= kMaxStacks) return false;
    held_.counts.push_back(sample);
    CopyStack(key.kernel_stack, drained, held_);
    CopyStack(key.user_stack, drained, held_);
    return true;
  };
  drained.counts.erase(std::remove_if(drained.counts.begin(), drained.counts.end(), hold),
                       drained.counts.end());
  if (now_ns - since_ns_ >= kHoldNs || held_.stacks.size() >= kMaxStacks) Append(Rest(), drained);
  return drained;
}

CpuSampler::Samples SampleHold::Rest() { return std::exchange(held_, {}); }

}  // namespace huatuo
