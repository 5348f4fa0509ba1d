// The folders of the mounted cgroup hierarchies, kept up to date by inotify.
//
// A change in a folder only says that the folder is to be listed again; what appeared and vanished
// is the difference to what was known. Thus an event that comes late, twice or never cannot make
// the tree wrong for longer than until the next Scan. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "collector/enrich/cgroup_ref.h"
#include "collector/enrich/hierarchies.h"
#include "collector/root.h"

namespace huatuo {

struct FolderChange {
  bool appeared = false;  // else vanished; then only `ref` is set
  CgroupRef ref;
  size_t hierarchy = 0;  // index into CgroupTree::hierarchies()
  std::string path;      // from the root of the hierarchy; "" for the root
};

class CgroupTree {
 public:
  struct Counters {
    uint64_t folders = 0;    // known now
    uint64_t scans = 0;      // of everything
    uint64_t overflows = 0;  // of the inotify queue; each is followed by a scan
    uint64_t unwatched = 0;  // folders without a watch: found only by a scan
    uint64_t refused = 0;    // folders left out, over the limit of folders or of depth
  };

  // Keeps a reference to `root`.
  CgroupTree(const Root& root, size_t max_folders);
  ~CgroupTree();
  CgroupTree(const CgroupTree&) = delete;
  CgroupTree& operator=(const CgroupTree&) = delete;

  // Lists every folder. A hierarchy that cannot be read keeps what it had; the first such error is
  // returned, after the others were listed. Parents come before their children in `changes`.
  absl::Status Scan(std::vector<FolderChange>& changes);

  // Takes what inotify has to say; never blocks. Cheap when there is nothing.
  absl::Status Drain(std::vector<FolderChange>& changes);

  // Readable when Drain has something to do; -1 when the kernel refused an inotify instance.
  int fd() const { return inotify_; }

  const std::vector<Hierarchy>& hierarchies() const { return hierarchies_; }
  const Counters& counters() const { return counters_; }

 private:
  struct Folder {
    CgroupRef ref;
    uint32_t hierarchy = 0;  // index
    uint32_t parent = 0;     // itself for a root
    int watch = -1;
    bool live = false;
    std::string name;  // "" for a root
    std::vector<uint32_t> children;
  };
  struct Entry;
  struct Pass;

  absl::Status Discover(std::vector<FolderChange>& changes);
  void AddRoot(uint64_t inode, Hierarchy hierarchy, std::vector<FolderChange>& changes);
  absl::Status Sync(uint32_t folder, bool all, std::vector<FolderChange>& changes);
  absl::Status List(uint32_t folder, std::vector<Entry>& entries) const;
  void Compare(uint32_t folder, std::vector<Entry>& entries, Pass& pass);
  void Add(uint32_t parent, Entry& entry, Pass& pass);
  void Remove(uint32_t folder, std::vector<FolderChange>& changes);
  uint32_t Allocate();
  void Watch(uint32_t folder);
  bool ReadEvents(std::vector<int>& watches);
  std::string RelativePath(uint32_t folder) const;
  std::string FilePath(uint32_t folder) const;

  const Root& root_;
  const size_t max_folders_;
  int inotify_ = -1;
  std::vector<Hierarchy> hierarchies_;
  std::vector<uint32_t> roots_;  // folder of each hierarchy
  bool discover_ = true;         // look for hierarchies at the next scan
  std::vector<Folder> folders_;
  std::vector<uint32_t> free_;
  absl::flat_hash_map<int, uint32_t> by_watch_;
  Counters counters_;
};

}  // namespace huatuo
