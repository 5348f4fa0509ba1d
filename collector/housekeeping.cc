#include "collector/housekeeping.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/log.h"
#include "common/thread_name.h"

namespace huatuo {
namespace {

constexpr std::chrono::seconds kSecond(1);

void AddLoss(v1::NodeStatus& status, const std::string& unit, const std::string& cause,
             uint64_t count) {
  if (count == 0) return;
  v1::Loss& loss = *status.add_losses();
  loss.set_unit(unit);
  loss.set_cause(cause);
  loss.set_count(count);
}

}  // namespace

Housekeeping::Housekeeping(const Parts& parts, const Budget& budget, uint64_t interval_seconds,
                           uint64_t ring_bytes)
    : parts_(parts),
      interval_seconds_(interval_seconds),
      meter_(ring_bytes, budget.interval_seconds),
      governor_(budget.ratio, budget.hold_ns) {}

Housekeeping::~Housekeeping() { Stop(); }

void Housekeeping::Start(ShipLosses ship_losses) {
  ship_losses_ = std::move(ship_losses);
  thread_ = std::thread([this] { Run(); });
}

void Housekeeping::Stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

v1::NodeStatus Housekeeping::Status() const {
  v1::NodeStatus status;
  {
    const std::lock_guard lock(status_mutex_);
    status = parts_.report.status;
  }
  // As it is now: the server concludes from a task that is missing here that it was lost.
  status.clear_units();
  status.clear_losses();
  AddCurrent(status);
  return status;
}

void Housekeeping::Run() {
  NameThread("housekeeping");
  auto next = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    CloseExpired();
    if (std::chrono::steady_clock::now() >= next) {
      Second();
      next += kSecond;
      // After a pause of the machine or the process its seconds are not made up for: measured in
      // some milliseconds, what making them up takes is all of a CPU, and the units would go.
      const auto now = std::chrono::steady_clock::now();
      if (next < now + kSecond / 2) next = now + kSecond;
    }
    const auto wake = std::min(next, NextEnd());
    lock.lock();
    changed_.wait_until(lock, wake, [this] { return stop_; });
  }
}

void Housekeeping::CloseExpired() {
  if (parts_.roster.CloseExpired()) parts_.loop.UnitsChanged();
}

// A task lasts as long as was asked for, not until the next second.
std::chrono::steady_clock::time_point Housekeeping::NextEnd() const {
  const int64_t now_ns = parts_.clock.BootNs();
  const int64_t wait_ns = std::max<int64_t>(0, parts_.roster.NextEndNs() - now_ns);
  return std::chrono::steady_clock::now() +
         std::min(std::chrono::nanoseconds(wait_ns), std::chrono::nanoseconds(kSecond));
}

void Housekeeping::Second() {
  const auto running = meter_.Tick([this] { return parts_.roster.AllRunning(); });
  const bool round = second_++ % interval_seconds_ == 0;
  if (running) Govern(*running);
  if (running || round) Report();
  if (round) Collect();
}

void Housekeeping::Govern(const std::vector<Roster::Running>& running) {
  std::vector<Governor::Candidate> candidates;
  candidates.reserve(running.size());
  for (const Roster::Running& unit : running) {
    candidates.push_back({unit.unit, unit.shed_order, meter_.ratio(unit), unit.task_id});
  }
  const auto step = governor_.Update(meter_.overhead_ratio(), candidates, parts_.clock.BootNs());
  if (!step.has_value()) return;
  if (!step->task_id.empty()) {
    if (parts_.roster.Fail(step->task_id, step->reason)) parts_.loop.UnitsChanged();
    return;
  }
  const bool done = step->shed ? parts_.roster.Shed(step->unit) : parts_.roster.Restore(step->unit);
  LogWarning(fmt::format("{}: {} unit {}{}", step->reason, step->shed ? "detached" : "attached",
                         step->unit, done ? "" : ", which had no effect"));
  // At the start as a note that it begins, at the end with the whole time.
  v1::NotObserved record;
  record.set_from_ns(parts_.clock.WallOfBoot(step->since_ns));
  record.set_to_ns(parts_.clock.WallNs());
  record.set_cause(step->reason);
  record.set_unit(step->unit);
  parts_.outbox.Push(record);
  for (size_t i = 0; step->shed && i < parts_.units.size(); ++i) {
    if (parts_.units[i]->name == step->unit) parts_.series.EndUnit(static_cast<uint32_t>(i));
  }
  parts_.loop.UnitsChanged();
}

void Housekeeping::AddCurrent(v1::NodeStatus& status) const {
  for (v1::UnitStatus& unit : parts_.roster.Status()) *status.add_units() = std::move(unit);
  AddLosses(status);
  status.set_containers(parts_.containers.counters().live);
  status.set_time_ns(parts_.clock.WallNs());
}

void Housekeeping::AddLosses(v1::NodeStatus& status) const {
  for (const v1::UnitStatus& unit : status.units()) {
    if (unit.instance() != "always") continue;
    AddLoss(status, unit.unit(), "rate_limited", unit.refused());
    AddLoss(status, unit.unit(), "ring_full", unit.ring_full());
  }
  const Pipeline::Counts counts = parts_.pipeline.counts();
  AddLoss(status, "", "malformed_record", counts.malformed);
  AddLoss(status, "", "instance_closed", counts.closed);
  AddLoss(status, "", "incomplete", counts.late);
  for (const auto& [key, count] : parts_.pipeline.losses()) {
    AddLoss(status, std::string(parts_.units[key.first]->name), key.second, count);
  }
  const Containers::Counters containers = parts_.containers.counters();
  AddLoss(status, "", "container_tombstone_evicted", containers.evicted);
  AddLoss(status, "", "cgroup_refused", containers.refused);
  AddLoss(status, "", "cgroup_unresolved", containers.unresolved);
  for (v1::Loss& loss : parts_.profiles.Count().losses) *status.add_losses() = std::move(loss);
  AddLoss(status, "", "task_end_forgotten", parts_.ledger.counts().forgotten);
}

void Housekeeping::Report() {
  v1::NodeStatus status;
  meter_.Fill(status);
  status.set_budget_ratio(governor_.budget());
  for (const std::string& unit : governor_.shed()) status.add_shed(unit);
  AddCurrent(status);
  const ProfileCounts profiles = parts_.profiles.Count();
  const std::lock_guard lock(status_mutex_);
  parts_.report.status = std::move(status);
  parts_.report.profiles = {profiles.outbox.pushed, profiles.outbox.acked,
                            profiles.outbox.spool.bytes};
  parts_.report.tasks = parts_.ledger.counts();
  parts_.report.series = parts_.series.Count().series;
  parts_.report.folded = parts_.gate.Folded();
}

void Housekeeping::Collect() {
  {
    // What the stream adds by itself for NodeStatus, the metrics need here.
    const std::lock_guard lock(status_mutex_);
    v1::NodeStatus& status = parts_.report.status;
    status.set_spool_bytes(parts_.outbox.Count().spool.bytes);
    for (v1::Loss& loss : ship_losses_()) *status.add_losses() = std::move(loss);
  }
  parts_.roster.Collect([&](size_t unit) -> MetricWriter& { return parts_.gate.Turn(unit); });
  parts_.gate.EndRound();
  parts_.series.EndRound(parts_.clock.WallNs());
}

}  // namespace huatuo
