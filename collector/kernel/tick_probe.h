// The shared probe on a timer of each CPU (bpf/tick.bpf.c): what each did while something waited.
//
// Opened by the first user, closed with the last. Kernel memory: 10 KiB a CPU, 1.3 MiB at 128.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "bpf/tick.h"
#include "collector/kernel/bpf_object.h"
#include "collector/kernel/cpu_ticks.h"

namespace huatuo {

// Not thread-safe, but for counts().
class TickProbe {
 public:
  // 40 a second: four in the shortest time that is worth an event.
  static constexpr uint64_t kPeriodNs = 25'000'000;

  static absl::StatusOr<std::shared_ptr<TickProbe>> Open(const Resources& resources);

  // Writes the watch (TICK_WATCH_*) live; threshold_ns 0 closes it.
  absl::Status Write(uint32_t watch, const tick_watch& how);
  EmitCounts counts(uint32_t watch) const { return object_->Counts(watch); }

  // Ticks also on CPUs that came online. Once in each round of metrics is enough.
  absl::Status FollowCpus() { return ticks_.FollowCpus(); }

  // Who ran at the newest tick of the CPU that was kept; nullopt when none was.
  std::optional<tick_sample> Newest(uint32_t cpu) const;

  // How late the ticks of all CPUs came, since `start_ns` by the wall clock.
  latency Lateness() const;
  int64_t start_ns() const { return start_ns_; }

  // For the programs of the users (ShareMap).
  int samples_fd() const { return object_->MapFd("samples"); }
  int cpus_fd() const { return object_->MapFd("cpus"); }
  int vectors_fd() const { return object_->MapFd("vectors"); }

  // As if no softirq had ever been raised.
  void ForgetVectors() const;

  // Whether `user` is the one among the users that speaks for the probe's cost.
  bool SpeaksFor(const void* user);
  void Leave(const void* user);

  const BpfObject& object() const { return *object_; }

 private:
  TickProbe(std::unique_ptr<BpfObject> object, const Resources& resources);
  void Forget(uint32_t cpu) const;

  const std::unique_ptr<BpfObject> object_;
  CpuTicks ticks_;
  const int64_t start_ns_;
  const void* speaker_ = nullptr;
};

// Lends the probe to the units; Resources::ticks.
class TickProbeOwner {
 public:
  absl::StatusOr<std::shared_ptr<TickProbe>> Acquire(const Resources& resources);

 private:
  std::weak_ptr<TickProbe> probe_;
};

}  // namespace huatuo
