#include "collector/units/tasks_sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <memory>

#include "collector/procfs/group_folder.h"
#include "collector/procfs/scan.h"

namespace huatuo {
namespace {

// A tree that its owner made large on purpose; the rest of it is not counted.
constexpr size_t kMaxFolders = 16384;
// Reading the clock costs as much as a tenth of a task.
constexpr size_t kTasksPerCheck = 16;

int64_t ThreadCpuNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

}  // namespace

std::optional<size_t> ParseTaskState(std::string_view stat) {
  // The name may have anything in it, a bracket too.
  const size_t end = stat.rfind(") ");
  if (end == std::string_view::npos || end + 2 >= stat.size()) return std::nullopt;
  switch (stat[end + 2]) {
    case 'R':
      return TASKS_RUNNING;
    case 'D':
      return TASKS_UNINTERRUPTIBLE;
    case 'S':
    case 'I':
    case 'P':
      return TASKS_SLEEPING;
    case 'T':
    case 't':
      return TASKS_STOPPED;
    default:
      return std::nullopt;
  }
}

// cgroup v1 calls the list of a folder's tasks otherwise.
TaskSweep::TaskSweep(FileReader& files, Context& context, std::vector<Hierarchy> hierarchies,
                     const Hierarchy& swept)
    : files_(files),
      context_(context),
      hierarchies_(std::move(hierarchies)),
      controller_(swept.id == 0 ? "" : swept.controllers.front()),
      tree_(swept.mount_point),
      list_(swept.id == 0 ? "/cgroup.threads" : "/tasks") {}

void TaskSweep::SetContainers(const std::vector<LiveContainer>& live) {
  owners_.clear();
  for (const LiveContainer& one : live) {
    const GroupFolder folder = FolderOf(context_, hierarchies_, one, controller_);
    if (!folder.path.empty()) owners_[folder.path] = one.subject;
  }
}

void TaskSweep::Begin() {
  sweeping_ = true;
  counting_.clear();
  counting_[kHost] = {};
  for (const auto& [path, owner] : owners_) counting_[owner] = {};
  folders_.assign(1, {tree_, kHost});
  next_folder_ = 0;
  tids_.clear();
  next_tid_ = 0;
}

// Takes the list of a folder's tasks, and the folders below it.
void TaskSweep::ReadFolder(size_t index) {
  const std::string path = folders_[index].path;
  owner_ = folders_[index].owner;
  KeptFile list(path + std::string(list_), Presence::kOptional, false);
  tids_ = files_.Read(list).value_or("");
  next_tid_ = 0;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(files_.root().Path(path).c_str()),
                                                closedir);
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
    if (folders_.size() == kMaxFolders) return;
    std::string below = path + "/" + std::string(name);
    const auto owner = owners_.find(below);
    folders_.push_back({std::move(below), owner == owners_.end() ? owner_ : owner->second});
  }
}

void TaskSweep::ReadTask(std::string_view tid, uint32_t owner) {
  char text[512];
  path_.assign(files_.root().prefix()).append("/proc/").append(tid).append("/stat");
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;  // ended
  const ssize_t size = read(fd, text, sizeof(text));
  close(fd);
  const auto state = size > 0 ? ParseTaskState({text, static_cast<size_t>(size)}) : std::nullopt;
  if (!state) return;
  ++counting_[kHost][*state];
  if (owner != kHost) ++counting_[owner][*state];
}

void TaskSweep::Count(int64_t budget_ns) {
  if (!sweeping_) Begin();
  const int64_t end_ns = ThreadCpuNs() + budget_ns;
  for (size_t n = 1; next_tid_ < tids_.size() || next_folder_ < folders_.size(); ++n) {
    if (next_tid_ < tids_.size()) {
      std::string_view rest = std::string_view(tids_).substr(next_tid_);
      const auto tid = Line(rest);
      next_tid_ = tids_.size() - rest.size();
      if (!tid) break;  // was cut
      ReadTask(*tid, owner_);
    } else {
      ReadFolder(next_folder_++);
    }
    if (n % kTasksPerCheck == 0 && ThreadCpuNs() >= end_ns) return;
  }
  sweeping_ = false;
  shown_.swap(counting_);
}

}  // namespace huatuo
