// The network namespaces of the containers, each with a process in which it can be looked at.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector/context.h"
#include "collector/enrich/hierarchies.h"
#include "collector/root.h"

namespace huatuo {

// Holds no namespace alive: a process is found again when it ended. Not thread-safe.
class NetworkSpaces {
 public:
  struct Space {
    // The only container of the namespace; of several that share it their pod, which has no id, or
    // the first of them when they are in none.
    v1::Container owner;
    std::string process;  // folder of one below Root, "/proc/4242"
    uint64_t inode = 0;
  };

  // Keeps references to both.
  NetworkSpaces(const Root& root, Context& context);

  // The set of containers has changed.
  void OnContainers();

  // Those that exist now, without the host's. Valid until the next call.
  std::span<const Space> Look();

 private:
  struct Member {
    v1::Container container;
    std::string folder;  // of a cgroup
    std::string process;
    uint64_t inode = 0;  // when it was looked at last; 0: it has no process
  };
  void Find(Member& member);
  void Group();

  const Root& root_;
  Context& context_;
  const std::vector<Hierarchy> hierarchies_;
  std::vector<Member> members_;
  std::vector<Space> spaces_;
  uint64_t host_ = 0;
  bool changed_ = true;
};

}  // namespace huatuo
