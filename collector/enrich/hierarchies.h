// The cgroup hierarchies of this machine and where they are mounted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/root.h"

namespace huatuo {

struct Hierarchy {
  uint32_t id = 0;                       // 0: v2
  std::vector<std::string> controllers;  // {"cpu", "cpuacct"}, {"name=systemd"}; empty for v2
  std::string mount_point;               // below the Root, "/sys/fs/cgroup/memory"
  std::string mount_root;  // path of the cgroup that is mounted there; "" for the root

  bool Has(std::string_view controller) const;
  friend bool operator==(const Hierarchy&, const Hierarchy&) = default;
};

// Every mounted hierarchy whose ids a kernel record or a reader of a container's files may need:
// v2, and of v1 those of cpu, cpuacct, cpuset, memory, blkio and systemd. One mount each, the
// widest. Reads mountinfo and cgroup of this process, or of process 1 when Root has a prefix.
absl::StatusOr<std::vector<Hierarchy>> ReadHierarchies(const Root& root);

}  // namespace huatuo
