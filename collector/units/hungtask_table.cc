#include "collector/units/hungtask_table.h"

#include <algorithm>

namespace huatuo {
namespace {

constexpr uint64_t kMinute = 60'000'000'000;

void LongestFirst(std::vector<HungtaskTable::Waiting>& tasks) {
  std::sort(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) {
    return a.state_ns != b.state_ns ? a.state_ns > b.state_ns : a.key < b.key;
  });
}

}  // namespace

void HungtaskTable::BeginSweep(uint64_t now_ns) {
  now_ns_ = now_ns;
  ++sweep_;
  seen_ = 0;
}

void HungtaskTable::See(const hungtask_task& task) {
  ++seen_;
  const Key key = KeyOf(task);
  auto it = waiting_.find(key);
  if (it == waiting_.end()) {
    if (waiting_.size() >= kMaxWaiting) {
      ++untracked_;
      return;
    }
    it = waiting_.emplace(key, Track{task.switches, task.time_ns}).first;
  }
  Track& track = it->second;
  if (track.switches != task.switches) track = {task.switches, task.time_ns};
  track.sweep = sweep_;
  track.cgroup = task.cgroup;
  track.tgid = task.tgid;
  track.killable = task.killable != 0;
  std::copy(std::begin(task.comm), std::end(task.comm), track.comm.begin());
}

HungtaskTable::Waiting HungtaskTable::Row(const Key& key, const Track& track) const {
  const uint64_t state_ns = now_ns_ > track.since_ns ? now_ns_ - track.since_ns : 0;
  return {state_ns, key, track.tgid, track.cgroup, track.comm};
}

std::vector<HungtaskTable::Waiting> HungtaskTable::EndSweep(const Limits& limits) {
  ExpireReports(limits.cooldown_ns);
  absl::erase_if(waiting_, [&](const auto& entry) { return entry.second.sweep != sweep_; });
  std::vector<Waiting> hung;
  for (const auto& [key, track] : waiting_) {
    const Waiting row = Row(key, track);
    if (row.state_ns >= limits.threshold_ns && !track.killable) hung.push_back(row);
  }
  LongestFirst(hung);
  return hung;
}

void HungtaskTable::ExpireReports(uint64_t cooldown_ns) {
  while (!reports_.empty() && now_ns_ - reports_.front().first >= cooldown_ns) {
    const auto it = reported_.find(reports_.front().second);
    if (it != reported_.end() && it->second == reports_.front().first) reported_.erase(it);
    reports_.pop_front();
  }
  absl::erase_if(windows_,
                 [&](const auto& entry) { return now_ns_ - entry.second.start_ns >= kMinute; });
}

// What is refused is not asked for again at each sweep: it has been counted.
HungtaskTable::Verdict HungtaskTable::Judge(const Key& key, const cgroup_ref& cgroup,
                                            const Limits& limits) {
  const auto reported = reported_.find(key);
  if (reported != reported_.end() && now_ns_ - reported->second < limits.cooldown_ns) {
    return Verdict::kReportedBefore;
  }
  if (reported_.size() >= kMaxReported) return Verdict::kRefused;
  reported_[key] = now_ns_;
  reports_.emplace_back(now_ns_, key);
  return WithinLimit(RefOf(cgroup), limits.limit_per_minute) ? Verdict::kReport : Verdict::kRefused;
}

bool HungtaskTable::WithinLimit(const CgroupRef& cgroup, uint64_t limit_per_minute) {
  Window& window = windows_[cgroup];
  if (window.count == 0 || now_ns_ - window.start_ns >= kMinute) window = {now_ns_, 0};
  if (window.count >= limit_per_minute) return false;
  ++window.count;
  return true;
}

std::optional<uint64_t> HungtaskTable::StateNs(const Key& key) const {
  const auto it = waiting_.find(key);
  if (it == waiting_.end()) return std::nullopt;
  return Row(key, it->second).state_ns;
}

std::vector<HungtaskTable::Waiting> HungtaskTable::Longest(size_t count) const {
  std::vector<Waiting> all;
  all.reserve(waiting_.size());
  for (const auto& [key, track] : waiting_) all.push_back(Row(key, track));
  LongestFirst(all);
  if (all.size() > count) all.resize(count);
  return all;
}

}  // namespace huatuo
