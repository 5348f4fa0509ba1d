// Processes of a cgroup or of the machine, for snapshots taken at the moment of an event.
//
// Pure readers of procfs without state; thread-safe. Nothing here is exact: processes come and go
// while it reads, and what is gone is left out.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/root.h"

namespace huatuo {

struct Process {
  pid_t pid = 0;  // thread-group id in the pid namespace of Root's /proc
  std::string comm;
  uint64_t rss_bytes = 0;
};

struct ProcessList {
  std::vector<Process> top;  // largest resident memory first
  size_t seen = 0;           // processes that were looked at
  bool complete = true;      // false: the deadline came first, `top` is of those seen
};

using Deadline = std::chrono::steady_clock::time_point;

// The `count` largest of all processes.
ProcessList TopProcesses(const Root& root, size_t count, Deadline deadline);

// The `count` largest processes in a cgroup and in those below it. `folder` is a path below Root,
// as in Container::folders. A folder that does not exist has no processes.
ProcessList TopProcessesOf(const Root& root, std::string_view folder, size_t count,
                           Deadline deadline);

// Any process of a cgroup, or else of one of those below it.
std::optional<pid_t> AnyProcessOf(const Root& root, std::string_view folder);

}  // namespace huatuo
