// What the tasks of this node handed over, and how they ended.
//
// A task's instance gets an account when it opens. When the instance is gone, events of it may
// still be on their way through the ring and the pipeline; only when the event thread says that
// none is left is the account final and becomes an end. An end is kept until the server has
// confirmed it, because the stream may break while it is on its way.
//
// Thread-safe; never blocks on anything but its own lock.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/instance.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class TaskLedger {
 public:
  // Ends that the server has not confirmed; the oldest goes, counted.
  static constexpr size_t kMaxEnds = 1000;

  struct End {
    uint64_t serial = 0;  // grows by one with each end
    std::string unit;
    v1::InstanceReply reply;
  };
  struct Counts {
    uint64_t open = 0;       // also those whose last events are on their way
    uint64_t completed = 0;  // ended because their time was over or by request
    uint64_t failed = 0;
    uint64_t forgotten = 0;  // ends that were dropped before the server confirmed them
  };

  void Open(uint32_t instance, std::string_view unit, const std::string& task_id);
  // The instance did not come about.
  void Withdraw(uint32_t instance);
  // The instance is gone, with what it had lost by itself; `completed` as in v1::InstanceReply.
  void Close(uint32_t instance, uint64_t lost, bool completed, std::string_view reason);

  // The task of an instance that is open or whose last events are on their way.
  std::optional<std::string> TaskOf(uint32_t instance) const;

  void CountEvent(uint32_t instance);
  void CountProfile(uint32_t instance);
  void CountLost(uint32_t instance, uint64_t count);

  // The instances that were closed and not finished.
  std::vector<uint32_t> Closing() const;
  // Nothing of `instance` is on its way any more: its task has ended.
  void Finish(uint32_t instance);
  // `call` runs on the thread that finishes; it must not block.
  void OnEnd(std::function<void()> call);

  // The first end after `serial`, of those that are kept.
  std::optional<End> Next(uint64_t serial) const;
  // The end of this task, if it is kept.
  std::optional<v1::InstanceReply> EndOf(std::string_view task_id) const;
  void Confirm(std::string_view task_id);
  // (unit, task) of those that are closing or whose end is kept.
  std::vector<std::pair<std::string, std::string>> Leaving() const;

  Counts counts() const;

 private:
  struct Account {
    std::string unit;
    v1::InstanceReply reply;
    bool closing = false;
  };

  mutable std::mutex mutex_;
  std::map<uint32_t, Account> accounts_;
  std::deque<End> ends_;
  uint64_t last_serial_ = 0;
  Counts counts_;
  std::function<void()> on_end_;
};

// Counts the profiles of tasks on their way to `sink`, which may be null: then they are lost.
class CountedProfiles : public ProfileSink {
 public:
  CountedProfiles(ProfileSink* sink, TaskLedger& ledger) : sink_(sink), ledger_(ledger) {}
  void Take(const OpenRequest& from, v1::Profile profile) override;

 private:
  ProfileSink* const sink_;
  TaskLedger& ledger_;
};

}  // namespace huatuo
