// A Context that knows what a test tells it.
#pragma once

#include <map>
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

  std::map<std::pair<uint32_t, uint64_t>, v1::Container> containers;
  std::map<std::pair<uint32_t, uint64_t>, std::string> folders;
  std::vector<LiveContainer> live;
};

}  // namespace huatuo
