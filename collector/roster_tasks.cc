// The tasks of the roster.
#include <fmt/format.h>

#include <algorithm>

#include "collector/parameters.h"
#include "collector/roster.h"
#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {

// The last profile of the instance is handed over, and counted, before its account is closed.
void Roster::CloseTask(Slot& slot, bool completed, std::string_view reason) {
  slot.instance->Stop();
  const uint64_t lost = slot.instance->counts().lost();
  CloseSlot(slot, v1::UnitStatus::OFF, std::string(reason));
  ledger_.Close(slot.instance_id, lost, completed, reason);
  LogInfo(fmt::format("task {}: {} closed: {}", slot.task_id, units_[slot.unit_id]->name, reason));
}

absl::Status Roster::CheckTask(const v1::OpenInstance& request, int unit) const {
  if (unit < 0) return InvalidArgument(fmt::format("unit: \"{}\": no such unit", request.unit()));
  if (request.task_id().empty()) return InvalidArgument("task_id: must not be empty");
  if (!units_[unit]->task) {
    return InvalidArgument(fmt::format("unit: {}: cannot be asked for as a task", request.unit()));
  }
  RETURN_IF_ERROR(CheckFilter(*units_[unit], request.filter()));
  const auto same = [&](const auto& entry) { return entry.second.unit_id == unit; };
  if (std::count_if(tasks_.begin(), tasks_.end(), same) >= static_cast<long>(kMaxTasks)) {
    return ResourceExhausted(
        fmt::format("unit {}: {} tasks are open, which is the limit", request.unit(), kMaxTasks));
  }
  if (request.pid() != 0 && !resources_.root.Read(fmt::format("/proc/{}/comm", request.pid())).ok())
    return NotFound(fmt::format("pid {}: no such process", request.pid()));
  if (request.container_id().empty()) return absl::OkStatus();
  for (const LiveContainer& live : resources_.context.LiveContainers()) {
    if (live.container.id() == request.container_id()) return absl::OkStatus();
  }
  return NotFound(fmt::format("container {}: not on this node", request.container_id()));
}

absl::StatusOr<Roster::Slot> Roster::TaskSlot(const v1::OpenInstance& request) {
  const int unit = UnitIndex(request.unit());
  RETURN_IF_ERROR(CheckTask(request, unit));
  Slot slot = NewSlot(static_cast<uint16_t>(unit));
  RETURN_IF_ERROR(OverrideParameters(*units_[unit], request.values(), slot.parameters));
  slot.task_id = request.task_id();
  slot.filter = {request.container_id(), request.pid(), request.filter()};
  slot.instance_id = next_instance_++;
  if (request.duration_ns() > 0) {
    slot.ends_boot_ns = resources_.clock.BootNs() + static_cast<int64_t>(request.duration_ns());
  }
  return slot;
}

v1::InstanceReply Roster::Open(const v1::OpenInstance& request) {
  const std::lock_guard lock(mutex_);
  v1::InstanceReply reply;
  reply.set_task_id(request.task_id());
  if (const auto end = ledger_.EndOf(request.task_id())) return *end;
  if (tasks_.contains(request.task_id())) {
    reply.set_running(true);
    return reply;
  }
  absl::StatusOr<Slot> slot = TaskSlot(request);
  if (!slot.ok()) {
    reply.set_reason(Message(slot.status()));
    return reply;
  }
  // Before the instance is there: its first event may come at once.
  ledger_.Open(slot->instance_id, request.unit(), slot->task_id);
  OpenLater(*slot);
  reply.set_running(slot->state == v1::UnitStatus::RUNNING);
  reply.set_reason(slot->reason);
  if (reply.running()) {
    tasks_.emplace(request.task_id(), std::move(*slot));
  } else {
    ledger_.Withdraw(slot->instance_id);
  }
  LogInfo(fmt::format("task {}: {} {}{}{}", request.task_id(), request.unit(),
                      reply.running() ? "opened" : "refused", reply.reason().empty() ? "" : ": ",
                      reply.reason()));
  return reply;
}

void Roster::Close(const std::string& task_id, std::string_view reason) {
  const std::lock_guard lock(mutex_);
  const auto found = tasks_.find(task_id);
  if (found == tasks_.end()) return;
  CloseTask(found->second, true, reason);
  tasks_.erase(found);
}

bool Roster::Fail(const std::string& task_id, std::string_view reason) {
  const std::lock_guard lock(mutex_);
  const auto found = tasks_.find(task_id);
  if (found == tasks_.end()) return false;
  CloseTask(found->second, false, reason);
  tasks_.erase(found);
  return true;
}

bool Roster::CloseExpired() {
  const std::lock_guard lock(mutex_);
  const int64_t now = resources_.clock.BootNs();
  const size_t before = tasks_.size();
  for (auto it = tasks_.begin(); it != tasks_.end();) {
    Slot& slot = it->second;
    if (slot.ends_boot_ns == 0 || slot.ends_boot_ns > now) {
      ++it;
      continue;
    }
    CloseTask(slot, true, "its time is over");
    it = tasks_.erase(it);
  }
  return tasks_.size() < before;
}

int64_t Roster::NextEndNs() const {
  const std::lock_guard lock(mutex_);
  int64_t next_ns = INT64_MAX;
  for (const auto& [id, slot] : tasks_) {
    if (slot.ends_boot_ns != 0) next_ns = std::min(next_ns, slot.ends_boot_ns);
  }
  return next_ns;
}

void Roster::CloseTasks(std::string_view reason) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, slot] : tasks_) CloseTask(slot, false, reason);
  tasks_.clear();
}

}  // namespace huatuo
