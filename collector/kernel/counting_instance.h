// The instance of a unit that makes metrics only, of what a BPF object of its own counts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "collector/context.h"
#include "collector/instance.h"
#include "collector/kernel/bpf_object.h"
#include "collector/kernel/subject_latency.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {

// What is common to all; a unit adds `Collect`, and `SetParameter` when it has parameters.
class CountingInstance : public Instance {
 public:
  // `object` is attached.
  CountingInstance(std::unique_ptr<BpfObject> object, const Resources& resources)
      : object_(std::move(object)), start_ns_(resources.clock.WallNs()) {}

  absl::Status SetParameter(size_t, uint64_t) override { return absl::OkStatus(); }
  void Stop() override { object_->Detach(); }
  void AddPrograms(std::vector<ProgramRef>& programs) const override {
    object_->AddPrograms(programs);
  }
  uint64_t MapBytes() const override { return object_->MapBytes(); }

 protected:
  const BpfObject& object() const { return *object_; }
  BpfObject& object() { return *object_; }
  // Since when it has counted, by the wall clock.
  int64_t start_ns() const { return start_ns_; }

 private:
  const std::unique_ptr<BpfObject> object_;
  const int64_t start_ns_;
};

// One whose object counts by cgroup (bpf/subject.bpf.h).
class SubjectInstance : public CountingInstance {
 public:
  SubjectInstance(std::unique_ptr<BpfObject> object, const Resources& resources)
      : CountingInstance(std::move(object), resources),
        context_(resources.context),
        subjects_(CountingInstance::object(), resources.context) {}

  void OnContainers() override { subjects_.Keep(context_.LiveContainers()); }

 protected:
  SubjectLatencies& subjects() { return subjects_; }

 private:
  Context& context_;
  SubjectLatencies subjects_;
};

inline absl::Status NothingToPrepare(BpfObject&) { return absl::OkStatus(); }

// As `open` of a Mechanism: loads its programs of the skeleton's object and attaches them.
// `prepare` is called before it is loaded.
template <typename Skeleton, typename UnitInstance,
          absl::Status (*prepare)(BpfObject&) = &NothingToPrepare>
absl::StatusOr<std::unique_ptr<Instance>> OpenCounting(const OpenRequest& request,
                                                       const Resources& resources) {
  if (resources.ring_fd < 0) return Unavailable(resources.no_ring);
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object,
                   BpfObject::Open(std::string(request.unit->name), Elf<Skeleton>()));
  RETURN_IF_ERROR(object->Select(request.mechanism->programs));
  RETURN_IF_ERROR(prepare(*object));
  RETURN_IF_ERROR(object->Load());
  RETURN_IF_ERROR(object->Attach());
  auto instance = std::make_unique<UnitInstance>(std::move(object), resources);
  for (size_t i = 0; i < request.parameters.size(); ++i) {
    RETURN_IF_ERROR(instance->SetParameter(i, request.parameters[i]));
  }
  return instance;
}

}  // namespace huatuo
