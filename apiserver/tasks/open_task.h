// A task that has not ended, between the machine, the store and the nodes. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "apiserver/tasks/tasks.h"

namespace huatuo {

class OpenTask {
 public:
  OpenTask(const TaskSources& sources, const TaskMachine& machine, Task task);

  const Task& task() const { return task_; }
  bool On(std::string_view node) const;

  // As the machine's functions. What the nodes have to be told waits for Save.
  void Begin();
  void Cancel();
  void Hear(const NodeNews& news);
  void Passed();

  // Counts what has arrived since the last time, a bounded piece at once; returns whether there may
  // be more. `ends_only`: only where the node has ended.
  bool Count(bool ends_only);
  // Whether a node has ended and not everything of it has arrived.
  bool Awaits() const;

  // Takes over what another process has stored.
  absl::Status Join(const TaskRow& row);

  // Stores what has changed, then tells the nodes. False when nothing had changed. What another
  // process has stored meanwhile is taken over. Aborted: it has deleted the task.
  absl::StatusOr<bool> Save();

 private:
  struct Counted {
    uint64_t events = 0;
    uint64_t event_position = 0;  // of the last one
    uint64_t profiles = 0;
    uint64_t profile_position = 0;
  };
  Moment Now() const { return {sources_.clock.WallNs(), sources_.clock.BootNs()}; }
  void Note(const TaskNode& node, Tell tell);
  bool Ours(const std::string& node) const;
  absl::Status Store();
  bool CountEvents(const std::string& node, Counted& counted) const;
  void CountProfiles(const std::string& node, Counted& counted) const;

  const TaskSources& sources_;
  const TaskMachine& machine_;
  Task task_;
  std::string stored_;  // the document
  std::map<std::string, Counted> counted_;
  std::vector<std::pair<std::string, Tell>> untold_;
};

}  // namespace huatuo
