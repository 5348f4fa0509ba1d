// How a task goes on when something happens. Pure: no clock, no store, no network.
//
// Each function changes the task's node, then the task follows from its nodes: it is as far as the
// node that is the furthest behind, and it has ended when all have. What the node must be told, if
// anything, is returned. Nothing changes in a node that has ended; it is only told to close what it
// may still have, which also confirms the end that it has reported.
#pragma once

#include <string_view>
#include <vector>

#include "apiserver/tasks/task.h"

namespace huatuo {

// How long is waited for what.
struct TaskPatience {
  int64_t dispatch_ns = 60'000'000'000;  // until the node says that it runs
  int64_t gone_ns = 90'000'000'000;      // a running one may be without its node
  int64_t end_ns = 30'000'000'000;       // beyond the duration, until the node reports the end
  int64_t arrival_ns = 30'000'000'000;   // since something of what was announced has arrived
  int64_t close_ns = 10'000'000'000;     // after a cancellation
};

struct Moment {
  int64_t wall_ns = 0;
  int64_t boot_ns = 0;
};

enum class Tell { kNothing, kOpen, kClose };

class TaskMachine {
 public:
  explicit TaskMachine(const TaskPatience& patience) : patience_(patience) {}

  // The task is new, or was read from the store by a new process.
  void Begin(Task& task, Moment now) const;
  // Asks every node for its end; returns those that must be told.
  std::vector<std::string> Cancel(Task& task, Moment now) const;

  Tell Connected(Task& task, TaskNode& node, Moment now) const;
  void Disconnected(Task& task, TaskNode& node, Moment now) const;
  // `known`: whether the node's report of its instances has this task.
  Tell Reported(Task& task, TaskNode& node, bool known, Moment now) const;
  Tell Replied(Task& task, TaskNode& node, const v1::InstanceReply& reply, Moment now) const;
  // So much of this node is stored now.
  void Arrived(Task& task, TaskNode& node, uint64_t events, uint64_t profiles, Moment now) const;
  Tell Passed(Task& task, TaskNode& node, Moment now) const;
  // Another process was the one to wait for the node until now: the waiting begins anew.
  void TakeOver(Task& task, TaskNode& node, Moment now) const;
  // Takes over what another process has stored of the task. Each node is as far as the one that has
  // seen it further; an end that is stored stands. Returns the nodes that must be told to close.
  std::vector<std::string> Join(Task& task, const Task& stored, Moment now) const;

 private:
  void Due(Task& task, TaskNode& node, Moment now) const;
  void Finish(Task& task, TaskNode& node, Moment now) const;

  const TaskPatience patience_;
};

}  // namespace huatuo
