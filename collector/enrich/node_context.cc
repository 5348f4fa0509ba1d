#include "collector/enrich/node_context.h"

#include <charconv>

namespace huatuo {
namespace {

v1::Container Message(const Container& container) {
  v1::Container out;
  out.set_id(container.container_id);
  out.set_pod_uid(container.pod_uid);
  out.set_qos(container.qos);
  out.set_runtime(container.runtime);
  out.set_type(container.type);
  out.set_name(container.name);
  out.set_hostname(container.hostname);
  return out;
}

}  // namespace

std::optional<v1::Container> NodeContext::FindContainer(const cgroup_ref& cgroup) {
  if (cgroup.id == 0) return std::nullopt;
  const std::shared_ptr<const Container> container =
      cgroup.hierarchy == EVENT_NETNS ? networks_.Find(cgroup.id) : containers_.Find(RefOf(cgroup));
  if (container == nullptr) return std::nullopt;
  return Message(*container);
}

std::vector<LiveContainer> NodeContext::LiveContainers() {
  std::vector<LiveContainer> all;
  for (const std::shared_ptr<const Container>& container : containers_.Live()) {
    // The cgroup around a pod's containers holds no task of its own.
    if (container->type == "pod") continue;
    LiveContainer live{container->subject, Message(*container), {}};
    for (const CgroupRef& ref : containers_.CgroupsOf(container->subject)) {
      live.cgroups.push_back({ref.id, ref.hierarchy, 0});
    }
    all.push_back(std::move(live));
  }
  return all;
}

std::optional<cgroup_ref> NodeContext::NetworkOf(const std::string& container_id) {
  const std::optional<uint64_t> inode = networks_.InodeOf(container_id);
  if (!inode) return std::nullopt;
  return cgroup_ref{*inode, EVENT_NETNS, 0};
}

std::string NodeContext::CgroupFolder(const cgroup_ref& cgroup) {
  if (cgroup.id == 0 || cgroup.hierarchy == EVENT_NETNS) return "";
  const std::shared_ptr<const Container> container = containers_.Find(RefOf(cgroup));
  if (container == nullptr) return "";
  for (const Container::Folder& folder : container->folders) {
    if (folder.hierarchy == cgroup.hierarchy) return folder.path;
  }
  return "";
}

std::optional<CodeRange> NodeContext::FunctionAt(const std::string& name) {
  return symbols_.Find(name);
}

v1::Frame NodeContext::Symbolize(uint64_t address) {
  v1::Frame frame;
  frame.set_address(address);
  std::string name = symbols_.Name(address);
  const size_t plus = name.find("+0x");
  if (plus == std::string::npos) return frame;
  uint64_t offset = 0;
  std::from_chars(name.data() + plus + 3, name.data() + name.size(), offset, 16);
  const size_t bracket = name.find(" [", plus);
  if (bracket != std::string::npos) {
    frame.set_module(name.substr(bracket + 2, name.size() - bracket - 3));
  }
  name.resize(plus);
  frame.set_symbol(std::move(name));
  frame.set_offset(offset);
  return frame;
}

}  // namespace huatuo
