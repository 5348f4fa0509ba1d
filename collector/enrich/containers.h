// Which container, pod or service a cgroup belongs to.
//
// Kernel records name a cgroup by (hierarchy, id). Containers maps every such reference of every
// folder, and of the folders below, to one subject. It is kept up to date by inotify, by a full
// scan every 30 s, and by one on demand when a reference is unknown. A reference stays valid for 5
// minutes after its folder went, because the last events of a container arrive after its death.
//
// Thread-safe. Find takes a shared lock and one hash lookup; only a miss does more.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "collector/enrich/cgroup_path.h"
#include "collector/enrich/cgroup_ref.h"
#include "collector/enrich/cgroup_tree.h"
#include "collector/root.h"
#include "common/clock.h"

namespace huatuo {

// Immutable once published; what becomes known later is in a new copy with the same `subject`.
struct Container : ContainerName {
  struct Folder {
    uint32_t hierarchy = 0;
    std::vector<std::string> controllers;  // as in Hierarchy
    std::string path;                      // below Root: "/sys/fs/cgroup/memory/docker/<id>"
  };

  uint32_t subject = 0;  // from 1; never used for another container by this process
  std::string hostname;  // UTS; "" when not known yet, and for pods and services
  std::vector<Folder> folders;

  // Where the files of `controller` ("memory") are: its v1 hierarchy or else v2; "" if neither.
  std::string_view FolderOf(std::string_view controller) const;
};

struct ContainerChange {
  enum class Kind {
    kCgroupAdded,    // `cgroup` belongs to `container` from now on
    kCgroupRemoved,  // its folder went; Find knows it for a while yet
    kEnded,          // the last folder of the container went; `cgroup` is empty
  };
  Kind kind;
  std::shared_ptr<const Container> container;
  CgroupRef cgroup;
};

struct ContainersOptions {
  int64_t rescan_ns = 30'000'000'000;
  int64_t tombstone_ns = 300'000'000'000;
  int64_t miss_rescan_ns = 1'000'000'000;   // at most one scan on demand in this time
  int64_t miss_memory_ns = 10'000'000'000;  // an unknown reference causes no other scan for so long
  size_t max_folders = 65536;               // some 200 bytes each
  size_t max_tombstones = 16384;            // the oldest go first
};

class Containers {
 public:
  struct Counters {
    uint64_t live = 0;        // containers, pods and services
    uint64_t cgroups = 0;     // folders, those of the host included
    uint64_t tombstones = 0;  // references kept after their folder went
    uint64_t evicted = 0;     // tombstones given up early, over max_tombstones
    uint64_t rescans = 0;     // full ones
    uint64_t inotify_overflows = 0;
    uint64_t unwatched = 0;   // folders that only a scan can see
    uint64_t refused = 0;     // folders left out, over max_folders
    uint64_t unresolved = 0;  // calls of Find for a reference that nobody knew
    uint64_t unnamed = 0;     // containers whose host name could not be read
  };
  using Listener = std::function<void(const ContainerChange&)>;

  // How often, over some 36 s, the host name of a container is looked for.
  static constexpr size_t kTries = 5;

  // Keeps references to `root` and `clock`.
  Containers(const Root& root, const Clock& clock, ContainersOptions options = {});

  // Lists every folder now. Call once at the start.
  absl::Status Refresh();

  // Call when fd() is readable, and once a second: the periodic work is done here. Never blocks.
  absl::Status Drain();
  int fd() const { return tree_.fd(); }

  // The subject of a cgroup, dead or alive; null for the rest of the host and for the unknown.
  std::shared_ptr<const Container> Find(CgroupRef cgroup);

  // Tells of a cgroup that may be gone before it can be listed. `path` is from the root of its
  // hierarchy. Known for as long as a tombstone, unless a listing finds it.
  void Learn(CgroupRef cgroup, std::string_view path);

  // Those that have a folder, by `subject`.
  std::vector<std::shared_ptr<const Container>> Live() const;

  // The references of a subject whose folders exist.
  std::vector<CgroupRef> CgroupsOf(uint32_t subject) const;

  // `listener` is told of everything that is there, and from then on of each change, in order, on
  // the thread that found it. It must not call Find, Learn, Drain, Refresh or Subscribe.
  void Subscribe(Listener listener);

  Counters counters() const;

 private:
  struct Reference {
    uint32_t subject = 0;  // 0: the host
    bool live = true;
    int64_t gone_ns = 0;  // boot time, when not live
  };
  struct Subject {
    std::shared_ptr<const Container> container;
    std::string key;
    size_t live = 0;        // references, without tombstones
    size_t references = 0;  // with them
    size_t tries = 0;       // to read the host name; kTries: no more
    int64_t retry_ns = 0;   // when the next is due
  };
  struct Tombstone {
    CgroupRef cgroup;
    int64_t gone_ns = 0;
  };

  // Of a hit: what Find has to say, and whether a try at its host name is due.
  struct Hit {
    std::shared_ptr<const Container> container;
    bool nameless = false;
  };

  // With update_mutex_ held:
  absl::Status Rescan();
  void Apply(const std::vector<FolderChange>& changes);
  void Notify(const std::vector<ContainerChange>& news) const;
  void Search(CgroupRef cgroup);
  bool MayRescanFor(CgroupRef cgroup);
  void NameDue();
  void Name(uint32_t subject);

  // With index_mutex_ held:
  void Appear(const FolderChange& change, std::vector<ContainerChange>& news);
  void Vanish(CgroupRef cgroup, std::vector<ContainerChange>& news);
  uint32_t SubjectOf(std::string_view path);
  void AddFolder(Subject& subject, const FolderChange& change) const;
  void Bury(CgroupRef cgroup, Reference& reference);
  void Forget(CgroupRef cgroup);
  void Expire();

  std::optional<Hit> Look(CgroupRef cgroup) const;
  void Tell(const Listener& listener) const;

  const Root& root_;
  const Clock& clock_;
  const ContainersOptions options_;

  // Held by whoever changes the index; taken before index_mutex_, which is held for the short time
  // of the change itself, so that a scan does not hold up Find.
  std::mutex update_mutex_;
  CgroupTree tree_;
  std::vector<Listener> listeners_;
  absl::flat_hash_map<CgroupRef, int64_t> misses_;  // when a scan did not find it
  std::string node_name_;
  std::vector<uint32_t> naming_;  // subjects with tries left
  std::optional<int64_t> scanned_ns_;
  std::optional<int64_t> miss_scanned_ns_;

  mutable std::shared_mutex index_mutex_;
  absl::flat_hash_map<CgroupRef, Reference> references_;
  absl::flat_hash_map<uint32_t, Subject> subjects_;
  absl::flat_hash_map<std::string, uint32_t> by_key_;
  std::deque<Tombstone> tombstones_;  // oldest first; stale where the reference lives again
  uint32_t last_subject_ = 0;
  Counters counters_;
  std::atomic<uint64_t> unresolved_{0};
};

}  // namespace huatuo
