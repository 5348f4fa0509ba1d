// The latencies that a BPF object counts by cgroup (bpf/subject.bpf.h), as totals of the node and
// of each container.
//
// A container's total is kept here, so that it never falls when a cgroup below the container goes.
// Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>

#include "bpf/subject.h"
#include "collector/context.h"
#include "collector/kernel/bpf_object.h"

namespace huatuo {

class SubjectLatencies {
 public:
  struct Of {
    v1::Container container;
    std::array<latency, SUBJECT_KINDS> kinds{};
  };

  // `object` has been loaded; both outlive this.
  SubjectLatencies(const BpfObject& object, Context& context);

  // Takes what was counted since the last call.
  void Read();

  // Gives up what is not about one of these.
  void Keep(std::span<const LiveContainer> live);

  latency Node(uint32_t kind) const;
  const std::map<std::string, Of>& containers() const { return containers_; }  // by id
  // Observations that are in the node's latency only, as there was no room for their cgroup.
  uint64_t without_room() const;

 private:
  using Key = std::tuple<uint32_t, uint64_t, uint32_t>;  // hierarchy, id, kind
  struct Seen {
    latency counted{};
    uint32_t unknown_rounds = 0;  // that it was of no container
  };
  void Take(const subject_key& key, const latency& now);
  void Drop(const subject_key& key);

  const BpfObject& object_;
  Context& context_;
  std::map<Key, Seen> seen_;
  std::map<std::string, Of> containers_;
};

}  // namespace huatuo
