// The Context of a real node: its containers, their networks, its kernel's symbols.
#pragma once

#include "collector/context.h"
#include "collector/enrich/containers.h"
#include "collector/enrich/kallsyms.h"
#include "collector/enrich/networks.h"

namespace huatuo {

class NodeContext : public Context {
 public:
  NodeContext(Containers& containers, Networks& networks, Kallsyms& symbols)
      : containers_(containers), networks_(networks), symbols_(symbols) {}

  std::optional<v1::Container> FindContainer(const cgroup_ref& cgroup) override;
  std::vector<LiveContainer> LiveContainers() override;
  std::optional<cgroup_ref> NetworkOf(const std::string& container_id) override;
  std::string CgroupFolder(const cgroup_ref& cgroup) override;
  v1::Frame Symbolize(uint64_t address) override;
  std::optional<CodeRange> FunctionAt(const std::string& name) override;

 private:
  Containers& containers_;
  Networks& networks_;
  Kallsyms& symbols_;
};

}  // namespace huatuo
