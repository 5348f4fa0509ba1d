// A Context that knows what a test tells it.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "collector/context.h"

namespace huatuo {

class FakeContext : public Context {
 public:
  std::optional<v1::Container> FindContainer(const cgroup_ref& cgroup) override {
    const auto it = containers.find({cgroup.hierarchy, cgroup.id});
    if (it == containers.end()) return std::nullopt;
    return it->second;
  }
  std::vector<LiveContainer> LiveContainers() override { return live; }
  std::string CgroupFolder(const cgroup_ref& cgroup) override {
    const auto it = folders.find({cgroup.hierarchy, cgroup.id});
    return it == folders.end() ? "" : it->second;
  }
  v1::Frame Symbolize(uint64_t address) override {
    v1::Frame frame;
    frame.set_address(address);
    return frame;
  }

  void Add(uint64_t id, const std::string& container_id, const std::string& hostname) {
    v1::Container& container = containers[{0, id}];
    container.set_id(container_id);
    container.set_hostname(hostname);
    container.set_type("container");
  }

  // A container of one cgroup, whose files are in `folder`.
  void AddLive(const std::string& container_id, const cgroup_ref& cgroup,
               const std::string& folder) {
    LiveContainer& added = live.emplace_back();
    added.subject = static_cast<uint32_t>(live.size());
    added.container.set_id(container_id);
    added.container.set_type("container");
    added.cgroups = {cgroup};
    folders[{cgroup.hierarchy, cgroup.id}] = folder;
  }

  std::map<std::pair<uint32_t, uint64_t>, v1::Container> containers;
  std::map<std::pair<uint32_t, uint64_t>, std::string> folders;
  std::vector<LiveContainer> live;
};

}  // namespace huatuo
