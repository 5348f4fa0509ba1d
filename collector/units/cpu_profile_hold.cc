#include "collector/units/cpu_profile_hold.h"

#include <utility>

namespace huatuo {
namespace {

// Stacks are shared by keys: copied, not moved. 0 is no stack.
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
  CpuSampler::Samples now;
  now.nearly_full = drained.nearly_full;
  for (const auto& sample : drained.counts) {
    const cpu_profile_key& key = sample.first;
    const bool old = now_ns - static_cast<int64_t>(key.start_ns) >= kOldNs;
    CpuSampler::Samples& into = old && held_.stacks.size() < kMaxStacks ? held_ : now;
    into.counts.push_back(sample);
    CopyStack(key.kernel_stack, drained, into);
    CopyStack(key.user_stack, drained, into);
  }
  if (now_ns - since_ns_ >= kHoldNs || held_.stacks.size() >= kMaxStacks) Append(Rest(), now);
  return now;
}

CpuSampler::Samples SampleHold::Rest() { return std::exchange(held_, {}); }

}  // namespace huatuo
