// Counts tasks by the files of cgroups and processes.
//
// The kernel tells a task's state only in a file of its own, and 20,000 of them take longer than a
// round may. So a sweep goes on from round to round, each for a bounded time, and its counts are
// shown when it has seen all.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/enrich/hierarchies.h"
#include "collector/procfs/file_reader.h"
#include "collector/units/tasks_counter.h"

namespace huatuo {

// "4242 (a name) S 1 ...": one of TASKS_*; nullopt for the dead and for what is no such line. Idle
// kernel threads sleep.
std::optional<size_t> ParseTaskState(std::string_view stat);

class TaskSweep : public TaskCounter {
 public:
  // Walks the hierarchy `swept`. Keeps references to `files` and `context`.
  TaskSweep(FileReader& files, Context& context, std::vector<Hierarchy> hierarchies,
            const Hierarchy& swept);

  // From the next sweep on.
  void SetContainers(const std::vector<LiveContainer>& live) override;
  void Count(int64_t budget_ns) override;
  const std::map<uint32_t, TaskCounts>& counts() const override { return shown_; }
  bool knows_iowait() const override { return false; }

 private:
  struct Folder {
    std::string path;
    uint32_t owner;
  };
  void Begin();
  void ReadFolder(size_t index);
  void ReadTask(std::string_view tid, uint32_t owner);

  FileReader& files_;
  Context& context_;
  const std::vector<Hierarchy> hierarchies_;
  const std::string controller_;            // that the hierarchy is known by; empty: v2
  const std::string tree_;                  // where it is mounted
  const std::string_view list_;             // what the list of a folder's tasks is called
  std::map<std::string, uint32_t> owners_;  // by path below Root
  std::map<uint32_t, TaskCounts> counting_, shown_;
  bool sweeping_ = false;
  std::vector<Folder> folders_;
  size_t next_folder_ = 0;
  std::string tids_;     // of the folder that is being counted, one a line
  size_t next_tid_ = 0;  // where in tids_ the next one begins
  uint32_t owner_ = kHost;
  std::string path_;
};

}  // namespace huatuo
