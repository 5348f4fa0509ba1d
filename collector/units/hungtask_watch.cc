#include "collector/units/hungtask_watch.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"

namespace huatuo {
namespace {

using Key = HungtaskTable::Key;

hungtask_task WithoutStack(const HungtaskTable::Waiting& row) {
  hungtask_task task{};
  task.tid = row.key.first;
  task.start_ns = row.key.second;
  task.tgid = row.tgid;
  task.cgroup = row.cgroup;
  std::copy(row.comm.begin(), row.comm.end(), std::begin(task.comm));
  return task;
}

}  // namespace

HungtaskWatch::HungtaskWatch(const OpenRequest& request, HungtaskSource& source,
                             const Resources& resources)
    : request_(request),
      source_(source),
      clock_(resources.clock),
      context_(resources.context),
      sink_(resources.sink) {}

void HungtaskWatch::Sweep(const HungtaskTable::Limits& limits) {
  std::vector<Hungtask> events;
  if (!Look(limits, events) || events.empty()) return;
  AddStacks(events);
  for (Hungtask& event : events) {
    ++emitted_;
    sink_.Emit(request_, 0, std::make_shared<const Hungtask>(std::move(event)));
  }
}

// False when the sweep failed: then nobody can be said not to wait any more.
bool HungtaskWatch::Look(const HungtaskTable::Limits& limits, std::vector<Hungtask>& events) {
  table_.BeginSweep(static_cast<uint64_t>(clock_.BootNs()));
  const absl::Status swept =
      source_.Sweep(false, [this](const hungtask_task& task) { table_.See(task); });
  if (!swept.ok()) {
    sink_.Lost(request_, "sweep_failed", 1);
    return false;
  }
  if (const uint64_t untracked = table_.untracked(); untracked > untracked_) {
    sink_.Lost(request_, "untracked_task", untracked - untracked_);
    untracked_ = untracked;
  }
  const std::vector<HungtaskTable::Waiting> hung = table_.EndSweep(limits);
  source_.TakeHangs([&](const hungtask_task& task) {
    const Key key = HungtaskTable::KeyOf(task);
    if (!Reports(key, task.tgid, task.cgroup, limits)) return;
    events.push_back({{task, table_.StateNs(key)}, true, nullptr});
  });
  for (const HungtaskTable::Waiting& row : hung) {
    if (!Reports(row.key, row.tgid, row.cgroup, limits)) continue;
    events.push_back({{WithoutStack(row), row.state_ns}, false, nullptr});
  }
  return true;
}

bool HungtaskWatch::Reports(const Key& key, uint32_t tgid, const cgroup_ref& cgroup,
                            const HungtaskTable::Limits& limits) {
  const InstanceFilter& filter = request_.filter;
  if (filter.pid != 0 && filter.pid != tgid) return false;
  if (!filter.container_id.empty()) {
    const auto container = context_.FindContainer(cgroup);
    if (!container.has_value() || container->id() != filter.container_id) return false;
  }
  const HungtaskTable::Verdict verdict = table_.Judge(key, cgroup, limits);
  if (verdict == HungtaskTable::Verdict::kRefused) ++refused_;
  return verdict == HungtaskTable::Verdict::kReport;
}

// A task that has run on since then goes without a stack.
void HungtaskWatch::AddStacks(std::vector<Hungtask>& events) {
  auto blocked = std::make_shared<BlockedTasks>();
  absl::flat_hash_map<Key, size_t> listed;
  for (const HungtaskTable::Waiting& row : table_.Longest(BlockedTasks::kMaxListed)) {
    listed[row.key] = blocked->listed.size();
    blocked->listed.push_back({WithoutStack(row), row.state_ns});
  }
  absl::flat_hash_map<Key, size_t> reported;
  for (size_t i = 0; i < events.size(); ++i) {
    reported[HungtaskTable::KeyOf(events[i].hung.task)] = i;
    events[i].blocked = blocked;
  }
  blocked->count = table_.seen();
  const absl::Status swept = source_.Sweep(true, [&](const hungtask_task& task) {
    const Key key = HungtaskTable::KeyOf(task);
    if (const auto it = listed.find(key); it != listed.end()) {
      blocked->listed[it->second].task = task;
    }
    const auto it = reported.find(key);
    if (it != reported.end() && !events[it->second].by_kernel) events[it->second].hung.task = task;
  });
  if (!swept.ok()) sink_.Lost(request_, "sweep_failed", 1);
}

}  // namespace huatuo
