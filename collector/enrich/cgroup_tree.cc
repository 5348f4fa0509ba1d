#include "collector/enrich/cgroup_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {

// A folder as its parent lists it.
struct CgroupTree::Entry {
  std::string name;
  uint64_t inode = 0;
  bool leaf = false;
  bool known = false;
};

// One walk: what is still to be listed, and what was found.
struct CgroupTree::Pass {
  bool all = false;
  std::vector<uint32_t> todo;
  std::vector<FolderChange>* changes = nullptr;
};

namespace {

constexpr uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR |
                             IN_DONT_FOLLOW | IN_EXCL_UNLINK;

// Below PATH_MAX, so that a folder that was found can be opened by its path.
constexpr size_t kMaxPath = 3840;

// kernfs, like most file systems, counts the folders below a folder in its links. Thus a leaf,
// which holds some sixty files, need not be listed.
constexpr nlink_t kLinksOfLeaf = 2;

// Hierarchies are mounted at boot, and mountinfo of a machine with many containers is large.
constexpr uint64_t kScansPerDiscovery = 20;

}  // namespace

CgroupTree::CgroupTree(const Root& root, size_t max_folders)
    : root_(root), max_folders_(max_folders), inotify_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

CgroupTree::~CgroupTree() {
  if (inotify_ >= 0) close(inotify_);
}

std::string CgroupTree::RelativePath(uint32_t folder) const {
  std::vector<const std::string*> names;
  for (uint32_t at = folder; folders_[at].parent != at; at = folders_[at].parent) {
    names.push_back(&folders_[at].name);
  }
  std::string path;
  for (auto name = names.rbegin(); name != names.rend(); ++name) path.append("/").append(**name);
  return path;
}

std::string CgroupTree::FilePath(uint32_t folder) const {
  return root_.Path(hierarchies_[folders_[folder].hierarchy].mount_point) + RelativePath(folder);
}

uint32_t CgroupTree::Allocate() {
  if (free_.empty()) {
    folders_.emplace_back();
    return static_cast<uint32_t>(folders_.size() - 1);
  }
  const uint32_t folder = free_.back();
  free_.pop_back();
  return folder;
}

void CgroupTree::Watch(uint32_t folder) {
  const int watch =
      inotify_ < 0 ? -1 : inotify_add_watch(inotify_, FilePath(folder).c_str(), kEvents);
  folders_[folder].watch = watch;
  if (watch < 0) {
    ++counters_.unwatched;
  } else {
    by_watch_[watch] = folder;
  }
}

void CgroupTree::Add(uint32_t parent, Entry& entry, Pass& pass) {
  const std::string path = RelativePath(parent) + "/" + entry.name;
  if (counters_.folders >= max_folders_ || path.size() > kMaxPath) {
    ++counters_.refused;
    return;
  }
  const uint32_t folder = Allocate();
  const uint32_t hierarchy = folders_[parent].hierarchy;
  const CgroupRef ref{entry.inode, hierarchies_[hierarchy].id};
  folders_[folder] = {ref, hierarchy, parent, -1, true, std::move(entry.name), {}};
  folders_[parent].children.push_back(folder);
  ++counters_.folders;
  pass.changes->push_back({true, ref, hierarchy, hierarchies_[hierarchy].mount_root + path});
  Watch(folder);
  // Even a leaf: a folder may have come before the watch did.
  pass.todo.push_back(folder);
}

void CgroupTree::Remove(uint32_t folder, std::vector<FolderChange>& changes) {
  std::vector<uint32_t> todo = {folder};
  while (!todo.empty()) {
    const uint32_t at = todo.back();
    todo.pop_back();
    Folder& gone = folders_[at];
    todo.insert(todo.end(), gone.children.begin(), gone.children.end());
    changes.push_back({false, gone.ref, gone.hierarchy, ""});
    if (gone.watch < 0) {
      --counters_.unwatched;
    } else {
      // kernfs does not end a watch when the folder goes, and the watch would pin its inode.
      inotify_rm_watch(inotify_, gone.watch);
      by_watch_.erase(gone.watch);
    }
    --counters_.folders;
    gone = Folder{};
    free_.push_back(at);
  }
}

absl::Status CgroupTree::List(uint32_t folder, std::vector<Entry>& entries) const {
  const std::string path = FilePath(folder);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(path.c_str()), closedir);
  if (dir == nullptr) return ErrnoStatus(errno, "list " + path);
  errno = 0;
  while (const dirent* item = readdir(dir.get())) {
    const std::string_view name = item->d_name;
    if ((item->d_type != DT_DIR && item->d_type != DT_UNKNOWN) || name == "." || name == "..") {
      continue;
    }
    struct stat status {};
    if (fstatat(dirfd(dir.get()), item->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISDIR(status.st_mode)) continue;
    entries.push_back({std::string(name), status.st_ino, status.st_nlink == kLinksOfLeaf, false});
  }
  return absl::OkStatus();
}

void CgroupTree::Compare(uint32_t folder, std::vector<Entry>& entries, Pass& pass) {
  absl::flat_hash_map<uint64_t, Entry*> by_inode;
  for (Entry& entry : entries) by_inode[entry.inode] = &entry;
  std::vector<uint32_t> kept;
  for (const uint32_t child : std::exchange(folders_[folder].children, {})) {
    const auto found = by_inode.find(folders_[child].ref.id);
    if (found == by_inode.end() || found->second->name != folders_[child].name) {
      Remove(child, *pass.changes);
      continue;
    }
    found->second->known = true;
    kept.push_back(child);
    const bool leaf = found->second->leaf && folders_[child].children.empty();
    if (pass.all && folders_[child].watch < 0) {
      --counters_.unwatched;
      Watch(child);
    }
    if (pass.all && !leaf) pass.todo.push_back(child);
  }
  folders_[folder].children = std::move(kept);
  for (Entry& entry : entries) {
    if (!entry.known) Add(folder, entry, pass);
  }
}

// Returns the error of `folder` itself; a folder below that cannot be listed has just vanished,
// which the next listing of its parent will show.
absl::Status CgroupTree::Sync(uint32_t folder, bool all, std::vector<FolderChange>& changes) {
  Pass pass{all, {folder}, &changes};
  absl::Status result;
  while (!pass.todo.empty()) {
    const uint32_t at = pass.todo.back();
    pass.todo.pop_back();
    std::vector<Entry> entries;
    const absl::Status listed = List(at, entries);
    if (listed.ok()) {
      Compare(at, entries, pass);
    } else if (at == folder) {
      result = listed;
    }
  }
  return result;
}

void CgroupTree::AddRoot(uint64_t inode, Hierarchy hierarchy, std::vector<FolderChange>& changes) {
  const auto index = static_cast<uint32_t>(hierarchies_.size());
  const uint32_t folder = Allocate();
  const CgroupRef ref{inode, hierarchy.id};
  folders_[folder] = {ref, index, folder, -1, true, "", {}};
  changes.push_back({true, ref, index, hierarchy.mount_root});
  hierarchies_.push_back(std::move(hierarchy));
  roots_.push_back(folder);
  ++counters_.folders;
  Watch(folder);
}

// Changes nothing when the same hierarchies are mounted as before.
absl::Status CgroupTree::Discover(std::vector<FolderChange>& changes) {
  ASSIGN_OR_RETURN(std::vector<Hierarchy> found, ReadHierarchies(root_));
  std::vector<uint64_t> inodes;
  for (const Hierarchy& hierarchy : found) {
    const std::string path = root_.Path(hierarchy.mount_point);
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return ErrnoStatus(errno, "stat " + path);
    inodes.push_back(status.st_ino);
  }
  std::vector<uint64_t> before;
  for (const uint32_t folder : roots_) before.push_back(folders_[folder].ref.id);
  if (found == hierarchies_ && inodes == before) return absl::OkStatus();
  for (const uint32_t folder : std::exchange(roots_, {})) Remove(folder, changes);
  hierarchies_.clear();
  for (size_t i = 0; i < found.size(); ++i) AddRoot(inodes[i], std::move(found[i]), changes);
  return absl::OkStatus();
}

absl::Status CgroupTree::Scan(std::vector<FolderChange>& changes) {
  if (discover_ || counters_.scans % kScansPerDiscovery == 0) RETURN_IF_ERROR(Discover(changes));
  ++counters_.scans;
  absl::Status result;
  for (const uint32_t folder : roots_) result.Update(Sync(folder, true, changes));
  discover_ = !result.ok();
  return result;
}

// False when the queue had overflowed.
bool CgroupTree::ReadEvents(std::vector<int>& watches) {
  alignas(inotify_event) std::array<char, 16384> buffer;  // not cleared at each turn
  bool whole = true;
  ssize_t got = 0;
  while (inotify_ >= 0 && (got = read(inotify_, buffer.data(), buffer.size())) > 0) {
    for (ssize_t at = 0; at < got;) {
      inotify_event event{};
      std::memcpy(&event, &buffer[static_cast<size_t>(at)], sizeof(event));
      at += static_cast<ssize_t>(sizeof(event) + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) whole = false;
      if ((event.mask & IN_ISDIR) != 0) watches.push_back(event.wd);
    }
  }
  return whole;
}

absl::Status CgroupTree::Drain(std::vector<FolderChange>& changes) {
  std::vector<int> watches;
  if (!ReadEvents(watches)) {
    ++counters_.overflows;
    return Scan(changes);
  }
  std::sort(watches.begin(), watches.end());
  watches.erase(std::unique(watches.begin(), watches.end()), watches.end());
  for (const int watch : watches) {
    const auto folder = by_watch_.find(watch);
    if (folder == by_watch_.end()) continue;
    // A folder that is gone already is removed when its parent, which has an event too, is listed.
    (void)Sync(folder->second, false, changes);
  }
  return absl::OkStatus();
}

}  // namespace huatuo
