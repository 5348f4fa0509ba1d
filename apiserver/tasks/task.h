// A task: what somebody asked for, and how far each node has come with it.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/store/tasks.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// pending     not sent yet: the node is not connected
// dispatched  sent; the node has not answered
// running     the node observes, or what it has observed is on its way
// the others  it has ended
enum class TaskState {
  kPending,
  kDispatched,
  kRunning,
  kSucceeded,
  kFailed,     // refused by the node, or it could not go on
  kCancelled,  // by request
  kExpired,    // not begun, or its end not reported, in time
};

constexpr bool Ended(TaskState state) { return state >= TaskState::kSucceeded; }
std::string_view StateName(TaskState state);
// All names, in the order of the states.
std::vector<std::string> StateNames();

struct TaskTarget {
  std::vector<std::string> nodes;
  std::string container;  // as given: a name, or the beginning of an id
  uint32_t pid = 0;       // thread-group id; 0: any
};

struct TaskSpec {
  std::string tool;  // a unit
  std::map<std::string, uint64_t> parameters;
  std::string filter;  // in the language of the unit
  TaskTarget target;
  int64_t duration_seconds = 0;
};

struct TaskNode {
  std::string node;
  std::string container_id = {};  // whole; empty: any
  std::string name_space = {};    // Kubernetes namespace of the container; empty: unknown, or any
  TaskState state = TaskState::kPending;
  std::string reason = {};
  // The node has ended its instance; what it announced may still be on its way.
  bool completed = false;
  int64_t started_ns = 0;  // by the server's clock; 0: not yet
  uint64_t announced_events = 0;
  uint64_t announced_profiles = 0;
  uint64_t events = 0;  // stored
  uint64_t profiles = 0;
  uint64_t lost = 0;  // by the node, before it could announce them
  // Of this process, not kept: whether the node is there, and the boot time when what is waited for
  // is overdue.
  bool connected = false;
  int64_t due_boot_ns = 0;
};

struct Task {
  std::string id;
  TaskSpec spec;
  TaskState state = TaskState::kPending;
  std::string reason;
  bool cancelled = false;       // somebody asked for its end
  int64_t created_ns = 0;       // by the server's clock
  int64_t started_ns = 0;       // 0: not yet
  int64_t ended_ns = 0;         // 0: not yet
  std::vector<TaskNode> nodes;  // never empty, each node once
  uint64_t position = 0;        // in the store
  uint64_t version = 0;
};

// Null when the task has no such node.
TaskNode* FindNode(Task& task, std::string_view node);

// What readers see.
boost::json::object TaskJson(const Task& task);

// The same with what a later process needs to go on.
TaskRow ToRow(const Task& task);
// InvalidArgument when the document is none of ToRow.
absl::StatusOr<Task> ParseTask(const TaskRow& row);

// What the node is asked for.
v1::ToNode OpenMessage(const Task& task, const TaskNode& node);
v1::ToNode CloseMessage(const std::string& task_id);

}  // namespace huatuo
