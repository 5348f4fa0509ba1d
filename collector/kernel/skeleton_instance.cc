#include "collector/kernel/skeleton_instance.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {

absl::Status SkeletonInstance::Start() {
  const std::span<const Parameter> parameters = request_.unit->parameters;
  for (size_t i = 0; i < parameters.size(); ++i) {
    RETURN_IF_ERROR(SetParameter(i, request_.parameters[i]));
  }
  if (request_.filter.pid != 0) {
    RETURN_IF_ERROR(object_->SetTunable("filter_tgid", request_.filter.pid));
  }
  if (!request_.filter.container_id.empty()) {
    OnContainers();
    RETURN_IF_ERROR(object_->SetTunable("filter_cgroups", 1));
  }
  return object_->Attach();
}

absl::Status SkeletonInstance::SetParameter(size_t index, uint64_t value) {
  return object_->SetTunable(request_.unit->parameters[index].name, value);
}

std::map<SkeletonInstance::Key, cgroup_ref> SkeletonInstance::WantedNow() {
  std::map<Key, cgroup_ref> now;
  for (const LiveContainer& live : context_.LiveContainers()) {
    if (live.container.id() != request_.filter.container_id) continue;
    for (const cgroup_ref& cgroup : live.cgroups) now[{cgroup.hierarchy, cgroup.id}] = cgroup;
  }
  const std::optional<cgroup_ref> network = context_.NetworkOf(request_.filter.container_id);
  if (network.has_value()) now[{network->hierarchy, network->id}] = *network;
  return now;
}

void SkeletonInstance::OnContainers() {
  if (request_.filter.container_id.empty()) return;
  std::map<Key, cgroup_ref> now = WantedNow();
  const int map = object_->MapFd("wanted_cgroups");
  const uint8_t yes = 1;
  for (const auto& [key, cgroup] : wanted_) {
    if (!now.contains(key)) bpf_map_delete_elem(map, &cgroup);
  }
  for (const auto& [key, cgroup] : now) {
    if (!wanted_.contains(key)) bpf_map_update_elem(map, &cgroup, &yes, BPF_ANY);
  }
  wanted_ = std::move(now);
}

absl::StatusOr<std::unique_ptr<BpfObject>> PrepareObject(std::span<const std::byte> elf,
                                                         const OpenRequest& request,
                                                         const Resources& resources) {
  if (resources.ring_fd < 0) return Unavailable(resources.no_ring);
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object,
                   BpfObject::Open(std::string(request.unit->name), elf));
  RETURN_IF_ERROR(object->Select(request.mechanism->programs));
  RETURN_IF_ERROR(object->ShareMap("events", resources.ring_fd));
  RETURN_IF_ERROR(object->SetConstant("unit_id", request.unit_id));
  RETURN_IF_ERROR(object->SetConstant("instance_id", request.instance_id));
  return object;
}

absl::StatusOr<std::unique_ptr<Instance>> OpenObject(std::span<const std::byte> elf,
                                                     const OpenRequest& request,
                                                     const Resources& resources) {
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object, PrepareObject(elf, request, resources));
  RETURN_IF_ERROR(object->Load());
  auto instance = std::make_unique<SkeletonInstance>(std::move(object), request, resources.context);
  RETURN_IF_ERROR(instance->Start());
  return instance;
}

}  // namespace huatuo
