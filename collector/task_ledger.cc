#include "collector/task_ledger.h"

#include <algorithm>
#include <utility>

namespace huatuo {

void TaskLedger::Open(uint32_t instance, std::string_view unit, const std::string& task_id) {
  const std::lock_guard lock(mutex_);
  Account& account = accounts_[instance];
  account.unit = unit;
  account.reply.set_task_id(task_id);
}

void TaskLedger::Withdraw(uint32_t instance) {
  const std::lock_guard lock(mutex_);
  accounts_.erase(instance);
}

void TaskLedger::Close(uint32_t instance, uint64_t lost, bool completed, std::string_view reason) {
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(instance);
  if (found == accounts_.end()) return;
  v1::InstanceReply& reply = found->second.reply;
  found->second.closing = true;
  reply.set_lost(reply.lost() + lost);
  reply.set_completed(completed);
  reply.set_reason(std::string(reason));
}

std::optional<std::string> TaskLedger::TaskOf(uint32_t instance) const {
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(instance);
  if (found == accounts_.end()) return std::nullopt;
  return found->second.reply.task_id();
}

void TaskLedger::CountEvent(uint32_t instance) {
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(instance);
  if (found == accounts_.end()) return;
  found->second.reply.set_events(found->second.reply.events() + 1);
}

void TaskLedger::CountProfile(uint32_t instance) {
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(instance);
  if (found == accounts_.end()) return;
  found->second.reply.set_profiles(found->second.reply.profiles() + 1);
}

void TaskLedger::CountLost(uint32_t instance, uint64_t count) {
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(instance);
  if (found == accounts_.end()) return;
  found->second.reply.set_lost(found->second.reply.lost() + count);
}

std::vector<uint32_t> TaskLedger::Closing() const {
  std::vector<uint32_t> closing;
  const std::lock_guard lock(mutex_);
  for (const auto& [instance, account] : accounts_) {
    if (account.closing) closing.push_back(instance);
  }
  return closing;
}

void TaskLedger::Finish(uint32_t instance) {
  std::function<void()> call;
  {
    const std::lock_guard lock(mutex_);
    auto account = accounts_.extract(instance);
    if (account.empty()) return;
    End end{++last_serial_, std::move(account.mapped().unit), std::move(account.mapped().reply)};
    ++(end.reply.completed() ? counts_.completed : counts_.failed);
    ends_.push_back(std::move(end));
    if (ends_.size() > kMaxEnds) {
      ends_.pop_front();
      ++counts_.forgotten;
    }
    call = on_end_;
  }
  if (call) call();
}

void TaskLedger::OnEnd(std::function<void()> call) {
  const std::lock_guard lock(mutex_);
  on_end_ = std::move(call);
}

std::optional<TaskLedger::End> TaskLedger::Next(uint64_t serial) const {
  const std::lock_guard lock(mutex_);
  const auto later = [serial](const End& end) { return end.serial > serial; };
  const auto found = std::find_if(ends_.begin(), ends_.end(), later);
  if (found == ends_.end()) return std::nullopt;
  return *found;
}

std::optional<v1::InstanceReply> TaskLedger::EndOf(std::string_view task_id) const {
  const std::lock_guard lock(mutex_);
  for (const End& end : ends_) {
    if (end.reply.task_id() == task_id) return end.reply;
  }
  return std::nullopt;
}

void TaskLedger::Confirm(std::string_view task_id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(ends_, [&](const End& end) { return end.reply.task_id() == task_id; });
}

std::vector<std::pair<std::string, std::string>> TaskLedger::Leaving() const {
  std::vector<std::pair<std::string, std::string>> leaving;
  const std::lock_guard lock(mutex_);
  for (const auto& [instance, account] : accounts_) {
    if (account.closing) leaving.emplace_back(account.unit, account.reply.task_id());
  }
  for (const End& end : ends_) leaving.emplace_back(end.unit, end.reply.task_id());
  return leaving;
}

TaskLedger::Counts TaskLedger::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts = counts_;
  counts.open = accounts_.size();
  return counts;
}

void CountedProfiles::Take(const OpenRequest& from, v1::Profile profile) {
  if (sink_ == nullptr) return ledger_.CountLost(from.instance_id, 1);
  sink_->Take(from, std::move(profile));
  ledger_.CountProfile(from.instance_id);
}

}  // namespace huatuo
