#include "collector/enrich/processes.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <memory>

#include "collector/enrich/text.h"

namespace huatuo {
namespace {

// cgroup.procs of a container with half a million processes.
constexpr size_t kProcsLimit = 4 << 20;

// Folders looked into for one snapshot: bounds a tree that its owner made large on purpose.
constexpr size_t kMaxFolders = 1024;

// Calls `visit` for each entry of a folder until it returns false.
void ForEachEntry(const std::string& path, const std::function<bool(const dirent&)>& visit) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(path.c_str()), closedir);
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir.get())) {
    if (!visit(*entry)) return;
  }
}

std::optional<pid_t> ParsePid(std::string_view text) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || end != text.data() + text.size() || pid <= 0) return std::nullopt;
  return pid;
}

// Calls `visit` for each process of `folder` itself until it returns false; returns whether it did
// not. A process outside our pid namespace reads as 0 and is left out.
bool VisitFolder(const Root& root, const std::string& folder,
                 const std::function<bool(pid_t)>& visit) {
  const auto text = root.Read(folder + "/cgroup.procs", kProcsLimit);
  if (!text.ok()) return true;
  for (size_t begin = 0; begin < text->size();) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    const auto pid = ParsePid(std::string_view(*text).substr(begin, end - begin));
    if (pid && !visit(*pid)) return false;
    begin = end + 1;
  }
  return true;
}

// The same for `folder` and all below it. False when it was stopped or had too many folders.
bool VisitTree(const Root& root, std::string_view folder, const std::function<bool(pid_t)>& visit) {
  std::vector<std::string> todo = {std::string(folder)};
  for (size_t i = 0; i < todo.size(); ++i) {
    if (i >= kMaxFolders) return false;
    const std::string at = todo[i];
    if (!VisitFolder(root, at, visit)) return false;
    ForEachEntry(root.Path(at), [&](const dirent& entry) {
      const std::string_view name = entry.d_name;
      if (entry.d_type == DT_DIR && name != "." && name != "..") {
        todo.push_back(at + "/" + std::string(name));
      }
      return todo.size() <= kMaxFolders;
    });
  }
  return true;
}

std::string ProcPath(pid_t pid, std::string_view file) {
  return "/proc/" + std::to_string(pid) + "/" + std::string(file);
}

// The second number of statm: resident pages. Kernel threads have none.
uint64_t RssBytes(const Root& root, pid_t pid) {
  static const auto kPageBytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const auto text = root.Read(ProcPath(pid, "statm"), 256);
  const size_t space = text.ok() ? text->find(' ') : std::string::npos;
  if (space == std::string::npos) return 0;
  uint64_t pages = 0;
  std::from_chars(text->data() + space + 1, text->data() + text->size(), pages);
  return pages * kPageBytes;
}

std::string Comm(const Root& root, pid_t pid) {
  auto text = root.Read(ProcPath(pid, "comm"), 256);
  if (!text.ok()) return "";
  if (text->ends_with('\n')) text->pop_back();
  return SafeText(*text);
}

bool Larger(const Process& a, const Process& b) {
  return a.rss_bytes != b.rss_bytes ? a.rss_bytes > b.rss_bytes : a.pid < b.pid;
}

// Keeps the largest `count` of what it is shown, as a heap whose front is the smallest of them.
class Ranking {
 public:
  Ranking(const Root& root, size_t count, Deadline deadline)
      : root_(root), count_(count), deadline_(deadline) {}

  bool Take(pid_t pid) {
    if (std::chrono::steady_clock::now() >= deadline_) return false;
    ++list_.seen;
    const Process process{pid, "", RssBytes(root_, pid)};
    auto& top = list_.top;
    if (process.rss_bytes == 0 || count_ == 0) return true;
    if (top.size() == count_) {
      if (!Larger(process, top.front())) return true;
      std::pop_heap(top.begin(), top.end(), Larger);
      top.pop_back();
    }
    top.push_back(process);
    std::push_heap(top.begin(), top.end(), Larger);
    return true;
  }

  ProcessList Finish(bool complete) && {
    list_.complete = complete;
    std::sort_heap(list_.top.begin(), list_.top.end(), Larger);
    for (Process& process : list_.top) process.comm = Comm(root_, process.pid);
    return std::move(list_);
  }

 private:
  const Root& root_;
  const size_t count_;
  const Deadline deadline_;
  ProcessList list_;
};

}  // namespace

ProcessList TopProcesses(const Root& root, size_t count, Deadline deadline) {
  Ranking ranking(root, count, deadline);
  bool complete = true;
  ForEachEntry(root.Path("/proc"), [&](const dirent& entry) {
    const auto pid = ParsePid(entry.d_name);
    complete = !pid || ranking.Take(*pid);
    return complete;
  });
  return std::move(ranking).Finish(complete);
}

ProcessList TopProcessesOf(const Root& root, std::string_view folder, size_t count,
                           Deadline deadline) {
  Ranking ranking(root, count, deadline);
  const bool complete = VisitTree(root, folder, [&](pid_t pid) { return ranking.Take(pid); });
  return std::move(ranking).Finish(complete);
}

std::optional<pid_t> AnyProcessOf(const Root& root, std::string_view folder) {
  std::optional<pid_t> found;
  VisitTree(root, folder, [&](pid_t pid) {
    found = pid;
    return false;
  });
  return found;
}

}  // namespace huatuo
