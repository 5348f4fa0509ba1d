// In what state every task of the machine is, counted for the host and for each container.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "bpf/tasks.h"
#include "collector/context.h"
#include "collector/instance.h"

namespace huatuo {

inline constexpr std::string_view kTaskStates[TASKS_STATES] = {"running", "uninterruptible",
                                                               "sleeping", "stopped", "iowait"};
using TaskCounts = std::array<uint32_t, TASKS_STATES>;

// Not thread-safe.
class TaskCounter {
 public:
  static constexpr uint32_t kHost = 0;
  virtual ~TaskCounter() = default;

  // Whose tasks are counted apart from now on.
  virtual void SetContainers(const std::vector<LiveContainer>& live) = 0;
  // Goes on for about `budget_ns` of this thread's CPU time, if it can do so.
  virtual void Count(int64_t budget_ns) = 0;
  // The newest complete ones: by LiveContainer::subject, with kHost for all tasks together.
  virtual const std::map<uint32_t, TaskCounts>& counts() const = 0;
  // Whether it tells which of the uninterruptible wait for a disk.
  virtual bool knows_iowait() const = 0;

  virtual void AddPrograms(std::vector<ProgramRef>&) const {}
  virtual uint64_t MapBytes() const { return 0; }
};

}  // namespace huatuo
