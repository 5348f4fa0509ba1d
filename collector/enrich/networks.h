// Whose network namespace it is, for packets that no socket vouches for.
//
// Found by looking at one process of each container: when somebody asks and the last look is more
// than five seconds ago, since the kernel gives the inode of a namespace that ended to the next
// one; for an unknown namespace more than one second. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "collector/enrich/containers.h"
#include "collector/root.h"
#include "common/clock.h"

namespace huatuo {

class Networks {
 public:
  // Keeps references to all.
  Networks(const Root& root, const Clock& clock, Containers& containers)
      : root_(root), clock_(clock), containers_(containers) {}

  // The container that has the namespace for itself; of several that share it, their pod, as a
  // Container without an id. Null for the host's and for the unknown.
  std::shared_ptr<const Container> Find(uint64_t inode);

  // The namespace of a container; nullopt for the host's and for the unknown.
  std::optional<uint64_t> InodeOf(const std::string& container_id);

 private:
  // With mutex_ held:
  void Refresh(int64_t max_age_ns);
  void Add(uint64_t inode, const std::shared_ptr<const Container>& container);

  const Root& root_;
  const Clock& clock_;
  Containers& containers_;
  std::mutex mutex_;
  std::optional<int64_t> looked_ns_;
  std::map<uint64_t, std::shared_ptr<const Container>> owners_;  // null: of several pods
  std::map<std::string, uint64_t> inodes_;                       // by container id
};

}  // namespace huatuo
