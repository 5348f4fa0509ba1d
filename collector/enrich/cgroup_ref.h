// The name of a cgroup, as the kernel and the file system both know it.
#pragma once

#include <cstdint>
#include <utility>

#include "bpf/event.h"

namespace huatuo {

// `id` is the kernfs id of the folder. On 64-bit machines it is also the folder's inode number
// (st_ino, and what name_to_handle_at returns), with a generation in its high half: an id is not
// used twice between two boots. Ids of different v1 hierarchies are independent, hence `hierarchy`,
// the number in /proc/<pid>/cgroup; 0 is cgroup v2.
struct CgroupRef {
  uint64_t id = 0;
  uint32_t hierarchy = 0;

  friend bool operator==(const CgroupRef&, const CgroupRef&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const CgroupRef& ref) {
    return H::combine(std::move(state), ref.id, ref.hierarchy);
  }
};

inline CgroupRef RefOf(const cgroup_ref& record) { return {record.id, record.hierarchy}; }

}  // namespace huatuo
