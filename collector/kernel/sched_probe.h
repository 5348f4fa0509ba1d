// The shared probe on sched_switch (bpf/sched.bpf.c), for every unit that needs it.
//
// Opened by the first user, closed with the last. Assigns a slot to each container; containers
// beyond the number of slots share `~other` and are counted.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bpf/sched.h"
#include "collector/kernel/bpf_object.h"

namespace huatuo {

// Not thread-safe, but for counts().
class SchedProbe {
 public:
  static constexpr uint32_t kSlots = 512;

  struct Histogram {
    std::array<uint64_t, SCHED_BUCKETS> bucket{};  // counts of each, not cumulative
    uint64_t sum_ns = 0;
    std::array<uint64_t, SCHED_BEHINDS> behind_ns{};  // of containers only
    uint64_t unnamed_ns = 0;
    std::array<uint64_t, 2> switches{};  // of containers only; [1]: voluntary
    uint64_t since_wall_ns = 0;
  };

  // How long tasks of a container waited while somebody else's ran.
  struct Blame {
    const v1::Container* waiter;   // null: `~other`
    const v1::Container* culprit;  // null: `culprit_slot` is none of a container
    uint32_t culprit_slot;
    uint64_t ns;
  };

  static absl::StatusOr<std::shared_ptr<SchedProbe>> Open(
      std::span<const std::string_view> programs, const Resources& resources);

  ~SchedProbe();
  SchedProbe(const SchedProbe&) = delete;
  SchedProbe& operator=(const SchedProbe&) = delete;

  // An index for sched_instance records; ResourceExhausted when all are taken. 0 is for `always`.
  absl::StatusOr<uint32_t> Reserve(bool always);
  // Writes the instance live; threshold_ns 0 closes it.
  absl::Status Write(uint32_t index, const sched_instance& instance);
  void Release(uint32_t index);
  EmitCounts counts(uint32_t index) const { return object_->Counts(index); }

  // Gives slots to new containers and takes them from those that are gone.
  void Sync(const std::vector<LiveContainer>& live);
  // The slot of a container; SCHED_SLOT_OTHER when it has none of its own, nullopt when unknown.
  std::optional<uint32_t> SlotOf(const std::string& container_id) const;
  uint64_t overflowed() const { return overflowed_; }

  // All waits of this machine since the probe was opened, whoever waited.
  Histogram Host();
  // Each container that has a slot, then `~other` (container null) when it is in use.
  void EachContainer(const std::function<void(const v1::Container*, const Histogram&)>& visit);
  // Each container and whom it waited for, as far as there was room for the pair: the rest is
  // Histogram::unnamed_ns. Up to 1 ms of each CPU comes later.
  void EachBlame(const std::function<void(const Blame&)>& visit) const;

  const BpfObject& object() const { return *object_; }

 private:
  struct Subject {
    v1::Container container;
    uint32_t slot;
    std::vector<cgroup_ref> cgroups;
    Histogram before;  // what the slot held when it was given to this container
  };
  SchedProbe(std::unique_ptr<BpfObject> object, std::span<const sched_cpu> cpus,
             const Clock& clock);
  Histogram ReadSlot(uint32_t slot) const;
  void Assign(const LiveContainer& live);
  void Free(const Subject& subject);
  std::vector<uint32_t> Pairs() const;
  bool MapCgroups(Subject& subject, const std::vector<cgroup_ref>& cgroups);
  absl::Status WriteThreshold();

  const std::unique_ptr<BpfObject> object_;
  const std::span<const sched_cpu> cpus_;  // the kernel's memory, changing
  const Clock& clock_;
  const uint64_t opened_wall_ns_;
  std::array<sched_instance, SCHED_INSTANCES> instances_{};
  std::array<bool, SCHED_INSTANCES> taken_{};
  std::map<uint32_t, Subject> subjects_;             // by LiveContainer::subject
  std::map<uint32_t, const v1::Container*> owners_;  // of the slots that are one container's
  std::vector<uint32_t> free_slots_;
  uint32_t used_slots_ = SCHED_SLOT_FIRST;  // slots below it have been in use
  uint64_t generation_ = SCHED_GENERATION;  // of what the programs remember of slots
  uint64_t overflowed_ = 0;
};

// Lends the probe to the units; Resources::sched.
class SchedProbeOwner {
 public:
  absl::StatusOr<std::shared_ptr<SchedProbe>> Acquire(std::span<const std::string_view> programs,
                                                      const Resources& resources);
  // Null when no unit uses it.
  std::shared_ptr<SchedProbe> current() const { return probe_.lock(); }

 private:
  std::weak_ptr<SchedProbe> probe_;
};

}  // namespace huatuo
