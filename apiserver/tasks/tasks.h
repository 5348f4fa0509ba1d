// The tasks of the cluster: takes them, brings them to their nodes, follows them to their end.
//
// One thread does what is not done by whoever calls: it hears the news of the nodes, counts what
// has arrived, and watches the clock. Every change is in the store before a node is told of it and
// before readers see it; what the store cannot take now is tried again. Thread-safe; functions may
// wait for the store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/ingest/nodes.h"
#include "apiserver/store/commit_signal.h"
#include "apiserver/store/profile_store.h"
#include "apiserver/store/store.h"
#include "apiserver/tasks/machine.h"
#include "apiserver/tasks/task.h"
#include "common/clock.h"

namespace prometheus {
class Registry;
}

namespace huatuo {

struct TaskLimits {
  size_t of_tool = 8;  // open ones of one tool on one node: what its collector takes
  size_t of_node = 32;
  size_t in_total = 1000;
  TaskPatience patience = {};
};

// What the tasks need where several apiservers share a store. Each process knows all open tasks and
// goes on with those of its nodes; what is stored is joined (TaskMachine::Join).
struct TaskSharing {
  CommitSignal* changed = nullptr;  // tasks may have changed in the store; null: nobody else does
  std::function<bool()> turn;       // whether the nodes that nobody has are ours to wait for
};

// What the tasks work with; all of it outlives them.
struct TaskSources {
  const Clock& clock;
  TaskStore& store;
  Querier& events;
  ProfileQuerier& profiles;
  Nodes& nodes;
  CommitSignal& committed;  // of events
  prometheus::Registry& registry;
  TaskSharing sharing = {};
};

class Tasks {
 public:
  // Goes on with the tasks that are open in the store. Before the first node connects.
  static absl::StatusOr<std::unique_ptr<Tasks>> Start(const TaskSources& sources,
                                                      const TaskLimits& limits = {});
  ~Tasks();

  // `nodes` as ResolveTarget gives them. ResourceExhausted, naming the limit, when there are too
  // many open tasks.
  absl::StatusOr<Task> Create(TaskSpec spec, std::vector<TaskNode> nodes);
  // NotFound; FailedPrecondition when it has ended otherwise. The task may end a moment later.
  absl::StatusOr<Task> Cancel(const std::string& id);

  absl::StatusOr<std::optional<Task>> Find(const std::string& id);
  // As TaskStore::List.
  absl::StatusOr<std::vector<Task>> List(const TaskFilter& filter, uint64_t before, size_t limit);

  // Notified after each change of a task.
  CommitSignal& changed();

 private:
  struct State;
  explicit Tasks(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace huatuo
