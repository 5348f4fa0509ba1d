// The instance of a unit whose probe is a BPF object of its own (bpf/instance.bpf.h).
#pragma once

#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "collector/instance.h"
#include "collector/kernel/bpf_object.h"

namespace huatuo {

// What is common to all; a unit with constants or metrics of its own derives from it.
class SkeletonInstance : public Instance {
 public:
  SkeletonInstance(std::unique_ptr<BpfObject> object, const OpenRequest& request, Context& context)
      : object_(std::move(object)), request_(request), context_(context) {}

  // Sets parameters and filter, then attaches. `object` has been loaded.
  absl::Status Start();

  absl::Status SetParameter(size_t index, uint64_t value) override;
  EmitCounts counts() const override { return object_->Counts(); }
  void Stop() override { object_->Detach(); }
  void AddPrograms(std::vector<ProgramRef>& programs) const override {
    object_->AddPrograms(programs);
  }
  uint64_t MapBytes() const override { return object_->MapBytes(); }

  // Keeps `wanted_cgroups` equal to the cgroups and the network of the container that is filtered
  // for.
  void OnContainers() override;

 protected:
  BpfObject& object() const { return *object_; }
  const OpenRequest& request() const { return request_; }

 private:
  using Key = std::tuple<uint32_t, uint64_t>;  // hierarchy, id
  std::map<Key, cgroup_ref> WantedNow();

  const std::unique_ptr<BpfObject> object_;
  const OpenRequest request_;
  Context& context_;
  std::map<Key, cgroup_ref> wanted_;
};

// Opens `elf` with the programs of the request's mechanism and the names of the instance; further
// constants can be set before it is loaded.
absl::StatusOr<std::unique_ptr<BpfObject>> PrepareObject(std::span<const std::byte> elf,
                                                         const OpenRequest& request,
                                                         const Resources& resources);

// Opens, configures, loads and attaches `elf`; the unit's parameters are the tunables of the same
// names.
absl::StatusOr<std::unique_ptr<Instance>> OpenObject(std::span<const std::byte> elf,
                                                     const OpenRequest& request,
                                                     const Resources& resources);

// As `open` of a Mechanism.
template <typename Skeleton>
absl::StatusOr<std::unique_ptr<Instance>> OpenSkeleton(const OpenRequest& request,
                                                       const Resources& resources) {
  return OpenObject(Elf<Skeleton>(), request, resources);
}

}  // namespace huatuo
