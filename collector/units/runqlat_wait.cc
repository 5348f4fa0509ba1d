#include "collector/units/runqlat_wait.h"

#include <string_view>

namespace huatuo {
namespace {

// By SCHED_BEHIND_*.
constexpr std::string_view kBehind[SCHED_BEHINDS] = {"own", "other", "throttle", "idle", "unknown"};
// A rate of the last two says nothing that one could act on.
constexpr size_t kRatios = SCHED_BEHIND_THROTTLE + 1;
// By sched_histogram::switches.
constexpr std::string_view kVoluntary[] = {"false", "true"};

double Seconds(uint64_t ns) { return static_cast<double>(ns) * 1e-9; }

std::string_view NameOf(const SchedProbe::Blame& blame) {
  if (blame.culprit != nullptr) {
    return blame.culprit->id().empty() ? blame.culprit->name() : blame.culprit->id();
  }
  return blame.culprit_slot == SCHED_SLOT_KERNEL ? "kernel" : "host";
}

}  // namespace

void RunqlatWait::Write(const v1::Container& container, const SchedProbe::Histogram& now,
                        int64_t boot_ns, MetricWriter& writer) {
  for (size_t i = 0; i < SCHED_BEHINDS; ++i) {
    writer.Set(kWaitSeconds, {&kBehind[i], 1}, &container, Seconds(now.behind_ns[i]));
  }
  for (size_t i = 0; i < now.switches.size(); ++i) {
    writer.Set(kSwitches, {&kVoluntary[i], 1}, &container, static_cast<double>(now.switches[i]));
  }
  if (now.unnamed_ns > 0) unnamed_ns_[&container] = now.unnamed_ns;
  WriteRatio(container, now, boot_ns, writer);
}

void RunqlatWait::WriteRatio(const v1::Container& container, const SchedProbe::Histogram& now,
                             int64_t boot_ns, MetricWriter& writer) {
  Before& before = before_[&container];
  const bool same = before.since_wall_ns == now.since_wall_ns;
  const int64_t wall_ns = boot_ns - before.boot_ns;
  for (size_t i = 0; same && wall_ns > 0 && i < kRatios; ++i) {
    const double waited = static_cast<double>(now.behind_ns[i] - before.behind_ns[i]);
    writer.Set(kWaitRatio, {&kBehind[i], 1}, &container, waited / static_cast<double>(wall_ns));
  }
  before = {now.behind_ns, now.since_wall_ns, boot_ns, round_};
}

void RunqlatWait::WriteCulprits(const SchedProbe& probe, const v1::Container& other,
                                MetricWriter& writer) {
  uint64_t all_unnamed_ns = 0;
  for (const auto& [container, ns] : unnamed_ns_) all_unnamed_ns += ns;
  probe.EachBlame([&](const SchedProbe::Blame& blame) {
    const v1::Container* const waiter = blame.waiter != nullptr ? blame.waiter : &other;
    if (blame.culprit_slot == SCHED_SLOT_OTHER) {
      unnamed_ns_[waiter] += blame.ns;
      return;
    }
    const std::string_view name = NameOf(blame);
    writer.Set(kWaitBy, {&name, 1}, waiter, Seconds(blame.ns));
  });
  constexpr std::string_view kUnnamed = "~other";
  for (const auto& [container, ns] : unnamed_ns_) {
    writer.Set(kWaitBy, {&kUnnamed, 1}, container, Seconds(ns));
  }
  writer.Set(kUnnamedSeconds, {}, nullptr, Seconds(all_unnamed_ns));
  unnamed_ns_.clear();
  std::erase_if(before_, [this](const auto& entry) { return entry.second.round != round_; });
  ++round_;
}

}  // namespace huatuo
