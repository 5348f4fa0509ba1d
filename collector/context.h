// What only this node knows, as the field tables and units ask for it.
//
// Implemented by the enrich stage; tests use a table. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/event.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

struct LiveContainer {
  uint32_t subject = 0;  // never used for another one by this process
  v1::Container container;
  // Of every hierarchy, its own and those below.
  std::vector<cgroup_ref> cgroups;
};

// Where a function lies in the kernel's memory.
struct CodeRange {
  uint64_t begin = 0;
  uint64_t bytes = 0;
};

class Context {
 public:
  virtual ~Context() = default;

  // The container that owns the cgroup, also for some minutes after its death; nullopt for the
  // host's own cgroups and for unknown ones.
  virtual std::optional<v1::Container> FindContainer(const cgroup_ref& cgroup) = 0;

  // The containers and services that exist now. A change is announced by Instance::OnContainers.
  virtual std::vector<LiveContainer> LiveContainers() = 0;

  // The network namespace of a container as an EVENT_NETNS reference; nullopt when it is the host's
  // or not known. FindContainer takes the same reference, and answers with the pod alone where its
  // containers share the network.
  virtual std::optional<cgroup_ref> NetworkOf(const std::string&) { return std::nullopt; }

  // Folder of a cgroup as path below Root, e.g. "/sys/fs/cgroup/memory/docker/…"; empty when it is
  // not known or gone.
  virtual std::string CgroupFolder(const cgroup_ref& cgroup) = 0;

  // The address as frame of this kernel; without symbol when it is not known.
  virtual v1::Frame Symbolize(uint64_t address) = 0;

  // The kernel's function of this name; nullopt when there is none, or the kernel hides where.
  virtual std::optional<CodeRange> FunctionAt(const std::string&) { return std::nullopt; }
};

}  // namespace huatuo
