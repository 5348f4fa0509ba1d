#include "apiserver/tasks/machine.h"

#include <fmt/format.h>

#include <algorithm>

namespace huatuo {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

int64_t CountOf(const Task& task, TaskState state) {
  return std::count_if(task.nodes.begin(), task.nodes.end(),
                       [state](const TaskNode& node) { return node.state == state; });
}

// Of a task whose nodes have all ended.
TaskState Outcome(const Task& task) {
  if (task.cancelled && CountOf(task, TaskState::kCancelled) > 0) return TaskState::kCancelled;
  if (CountOf(task, TaskState::kFailed) > 0) return TaskState::kFailed;
  return CountOf(task, TaskState::kExpired) > 0 ? TaskState::kExpired : TaskState::kSucceeded;
}

// "n2: no answer", with the number of nodes behind it when there are several.
std::string ReasonOf(const Task& task) {
  const TaskNode* first = nullptr;
  int64_t count = 0;
  for (const TaskNode& node : task.nodes) {
    if (node.state != task.state || node.reason.empty()) continue;
    if (first == nullptr) first = &node;
    ++count;
  }
  if (first == nullptr) return "";
  const std::string reason = fmt::format("{}: {}", first->node, first->reason);
  return count == 1 ? reason
                    : fmt::format("{} (one of {} of {} nodes)", reason, count, task.nodes.size());
}

void Follow(Task& task, Moment now) {
  TaskState behind = TaskState::kExpired;
  for (const TaskNode& node : task.nodes) behind = std::min(behind, node.state);
  if (!Ended(behind)) {
    task.state = task.started_ns != 0 ? TaskState::kRunning : behind;
    return;
  }
  if (Ended(task.state)) return;
  task.state = Outcome(task);
  task.reason = ReasonOf(task);
  task.ended_ns = now.wall_ns;
}

void End(Task& task, TaskNode& node, TaskState state, const std::string& reason, Moment now) {
  node.state = state;
  node.reason = reason;
  Follow(task, now);
}

void Run(Task& task, TaskNode& node, Moment now) {
  node.state = TaskState::kRunning;
  if (node.started_ns == 0) node.started_ns = now.wall_ns;
  if (task.started_ns == 0) task.started_ns = now.wall_ns;
  Follow(task, now);
}

int64_t Remaining(const Task& task, const TaskNode& node, Moment now) {
  const int64_t ends_ns = node.started_ns + task.spec.duration_seconds * kSecond;
  return std::max<int64_t>(0, ends_ns - now.wall_ns);
}

bool AllArrived(const TaskNode& node) {
  return node.events >= node.announced_events && node.profiles >= node.announced_profiles;
}

int Stage(const TaskNode& node) {
  if (Ended(node.state)) return static_cast<int>(TaskState::kExpired) + 1;
  return node.completed ? static_cast<int>(TaskState::kExpired) : static_cast<int>(node.state);
}

// An end that is stored stands, whatever we think.
bool Further(const TaskNode& stored, const TaskNode& node) {
  return Stage(stored) > Stage(node) || (Ended(stored.state) && stored.state != node.state);
}

int64_t Earlier(int64_t one_ns, int64_t other_ns) {
  return one_ns == 0 || other_ns == 0 ? std::max(one_ns, other_ns) : std::min(one_ns, other_ns);
}

// What is stored of a node, `further` or not, with what we know of it.
void Unite(const TaskNode& stored, bool further, TaskNode& node) {
  if (further) {
    node.state = stored.state;
    node.reason = stored.reason;
  }
  node.completed = node.completed || stored.completed;
  node.started_ns = Earlier(node.started_ns, stored.started_ns);
  node.announced_events = std::max(node.announced_events, stored.announced_events);
  node.announced_profiles = std::max(node.announced_profiles, stored.announced_profiles);
  node.events = std::max(node.events, stored.events);
  node.profiles = std::max(node.profiles, stored.profiles);
  node.lost = std::max(node.lost, stored.lost);
}

std::string Missing(const TaskNode& node) {
  std::string text;
  const auto add = [&text](std::string_view what, uint64_t stored, uint64_t announced) {
    if (stored >= announced) return;
    text += fmt::format("{}{} of {} {}", text.empty() ? "" : " and ", stored, announced, what);
  };
  add("events", node.events, node.announced_events);
  add("profiles", node.profiles, node.announced_profiles);
  return text.empty() ? "" : text + " have arrived";
}

}  // namespace

// What is waited for begins now.
void TaskMachine::Due(Task& task, TaskNode& node, Moment now) const {
  int64_t wait_ns = patience_.dispatch_ns;
  if (node.completed) {
    wait_ns = patience_.arrival_ns;
  } else if (task.cancelled) {
    wait_ns = patience_.close_ns;
  } else if (node.state == TaskState::kRunning) {
    wait_ns = node.connected ? Remaining(task, node, now) + patience_.end_ns : patience_.gone_ns;
  }
  node.due_boot_ns = now.boot_ns + wait_ns;
}

void TaskMachine::Begin(Task& task, Moment now) const {
  for (TaskNode& node : task.nodes) Due(task, node, now);
}

// The instance has ended; the node too, once everything has arrived or no more is waited for.
void TaskMachine::Finish(Task& task, TaskNode& node, Moment now) const {
  const TaskState state = task.cancelled ? TaskState::kCancelled : TaskState::kSucceeded;
  End(task, node, state, Missing(node), now);
}

std::vector<std::string> TaskMachine::Cancel(Task& task, Moment now) const {
  std::vector<std::string> told;
  task.cancelled = true;
  for (TaskNode& node : task.nodes) {
    if (Ended(node.state) || node.completed) continue;
    if (node.state == TaskState::kPending || !node.connected) {
      End(task, node, TaskState::kCancelled, "", now);
      continue;
    }
    Due(task, node, now);
    told.push_back(node.node);
  }
  return told;
}

Tell TaskMachine::Connected(Task& task, TaskNode& node, Moment now) const {
  node.connected = true;
  if (Ended(node.state)) return Tell::kNothing;
  if (node.state == TaskState::kRunning) {
    Due(task, node, now);
    return Tell::kNothing;
  }
  // The time to dispatch runs on: it is counted from the beginning.
  node.state = TaskState::kDispatched;
  Follow(task, now);
  return Tell::kOpen;
}

void TaskMachine::Disconnected(Task& task, TaskNode& node, Moment now) const {
  node.connected = false;
  if (node.state == TaskState::kRunning && !node.completed) Due(task, node, now);
}

Tell TaskMachine::Reported(Task& task, TaskNode& node, bool known, Moment now) const {
  if (Ended(node.state)) return known ? Tell::kClose : Tell::kNothing;
  if (known || node.completed) return Tell::kNothing;
  if (task.cancelled) {
    Finish(task, node, now);
  } else if (node.state == TaskState::kRunning) {
    End(task, node, TaskState::kFailed, "the collector was restarted while the task ran", now);
  } else if (node.state == TaskState::kDispatched) {
    return Tell::kOpen;  // it was lost on the way, or is still underway: then it opens once
  }
  return Tell::kNothing;
}

Tell TaskMachine::Replied(Task& task, TaskNode& node, const v1::InstanceReply& reply,
                          Moment now) const {
  if (Ended(node.state)) return Tell::kClose;
  if (reply.running()) {
    const bool first = node.state != TaskState::kRunning;
    Run(task, node, now);
    if (first) Due(task, node, now);
    return task.cancelled ? Tell::kClose : Tell::kNothing;
  }
  node.lost = reply.lost();
  node.announced_events = reply.events();
  node.announced_profiles = reply.profiles();
  if (!reply.completed()) {
    End(task, node, TaskState::kFailed, reply.reason(), now);
    return Tell::kClose;
  }
  node.completed = true;
  Run(task, node, now);
  Due(task, node, now);
  if (AllArrived(node)) Finish(task, node, now);
  return Tell::kClose;
}

void TaskMachine::Arrived(Task& task, TaskNode& node, uint64_t events, uint64_t profiles,
                          Moment now) const {
  const bool more = events > node.events || profiles > node.profiles;
  node.events = std::max(node.events, events);
  node.profiles = std::max(node.profiles, profiles);
  if (Ended(node.state) || !node.completed) return;
  if (more) Due(task, node, now);
  if (AllArrived(node)) Finish(task, node, now);
}

void TaskMachine::TakeOver(Task& task, TaskNode& node, Moment now) const { Due(task, node, now); }

std::vector<std::string> TaskMachine::Join(Task& task, const Task& stored, Moment now) const {
  const bool cancelled = !task.cancelled && stored.cancelled;
  task.cancelled = task.cancelled || stored.cancelled;
  std::vector<std::string> told;
  for (size_t i = 0; i < task.nodes.size() && i < stored.nodes.size(); ++i) {
    TaskNode& node = task.nodes[i];
    const bool moved = Further(stored.nodes[i], node);
    Unite(stored.nodes[i], moved, node);
    const bool to_close = cancelled && node.connected && !Ended(node.state) && !node.completed;
    if (to_close) told.push_back(node.node);
    if (moved || to_close) Due(task, node, now);
  }
  task.started_ns = Earlier(task.started_ns, stored.started_ns);
  task.position = stored.position;
  task.version = stored.version;
  if (!Ended(stored.state)) {
    Follow(task, now);
    return told;
  }
  task.state = stored.state;
  task.reason = stored.reason;
  task.ended_ns = stored.ended_ns;
  return told;
}

Tell TaskMachine::Passed(Task& task, TaskNode& node, Moment now) const {
  if (Ended(node.state) || now.boot_ns < node.due_boot_ns) return Tell::kNothing;
  const auto seconds = [](int64_t ns) { return ns / kSecond; };
  if (node.completed) {
    Finish(task, node, now);
    return Tell::kNothing;
  }
  if (task.cancelled) {
    End(task, node, TaskState::kCancelled, "the node did not confirm it", now);
    return Tell::kClose;
  }
  if (node.state == TaskState::kRunning && !node.connected) {
    End(task, node, TaskState::kFailed,
        fmt::format("the node was gone for {} s", seconds(patience_.gone_ns)), now);
  } else if (node.state == TaskState::kRunning) {
    End(task, node, TaskState::kExpired,
        fmt::format("its end was not reported within {} s", seconds(patience_.end_ns)), now);
  } else {
    End(task, node, TaskState::kExpired,
        fmt::format("{} for {} s",
                    node.connected ? "the node did not answer" : "the node was not connected",
                    seconds(patience_.dispatch_ns)),
        now);
  }
  return Tell::kClose;
}

}  // namespace huatuo
