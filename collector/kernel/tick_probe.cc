#include "collector/kernel/tick_probe.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "bpf/softirq.h"
#include "bpf/tick.skel.h"
#include "collector/kernel/latency_metric.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr std::string_view kPrograms[] = {"tick_sample"};

}  // namespace

TickProbe::TickProbe(std::unique_ptr<BpfObject> object, const Resources& resources)
    : object_(std::move(object)),
      ticks_(*object_, std::string(kPrograms[0]), resources.root, IdleTicks::kToo,
             [this](uint32_t cpu) { Forget(cpu); }),
      start_ns_(resources.clock.WallNs()) {}

absl::StatusOr<std::shared_ptr<TickProbe>> TickProbe::Open(const Resources& resources) {
  if (resources.ring_fd < 0) return Unavailable(resources.no_ring);
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object, BpfObject::Open("tick", Elf<tick_bpf>()));
  RETURN_IF_ERROR(object->Select(kPrograms));
  RETURN_IF_ERROR(object->ShareMap("events", resources.ring_fd));
  RETURN_IF_ERROR(object->SetConstant("period_ns", kPeriodNs));
  RETURN_IF_ERROR(object->Resize("cpus", static_cast<uint32_t>(PossibleCpus())));
  RETURN_IF_ERROR(object->Load());
  std::shared_ptr<TickProbe> probe(new TickProbe(std::move(object), resources));
  RETURN_IF_ERROR(probe->ticks_.SetPeriod(kPeriodNs));
  return probe;
}

void TickProbe::Forget(uint32_t cpu) const {
  const tick_cpu unknown{};
  bpf_map_update_elem(object_->MapFd("cpus"), &cpu, &unknown, BPF_ANY);
}

void TickProbe::ForgetVectors() const {
  const std::vector<softirq_vector> unknown(static_cast<size_t>(PossibleCpus()));
  for (uint32_t vector = 0; vector < SOFTIRQ_VECTORS; ++vector) {
    bpf_map_update_elem(vectors_fd(), &vector, unknown.data(), BPF_ANY);
  }
}

absl::Status TickProbe::Write(uint32_t watch, const tick_watch& how) {
  if (bpf_map_update_elem(object_->MapFd("watches"), &watch, &how, BPF_ANY) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "write a watch of the tick probe");
}

std::optional<tick_sample> TickProbe::Newest(uint32_t cpu) const {
  std::vector<tick_sample> cpus(PossibleCpus());
  std::optional<tick_sample> newest;
  for (uint32_t i = 0; i < TICK_SAMPLES && cpu < cpus.size(); ++i) {
    if (bpf_map_lookup_elem(samples_fd(), &i, cpus.data()) != 0) return std::nullopt;
    const uint64_t known_ns = newest.has_value() ? newest->time_ns : 0;
    if (cpus[cpu].time_ns > known_ns) newest = cpus[cpu];
  }
  return newest;
}

latency TickProbe::Lateness() const {
  const uint32_t zero = 0;
  std::vector<latency> cpus(static_cast<size_t>(PossibleCpus()));
  if (bpf_map_lookup_elem(object_->MapFd("lateness"), &zero, cpus.data()) != 0) return {};
  return SumOf(cpus);
}

bool TickProbe::SpeaksFor(const void* user) {
  if (speaker_ == nullptr) speaker_ = user;
  return speaker_ == user;
}

void TickProbe::Leave(const void* user) {
  if (speaker_ == user) speaker_ = nullptr;
}

absl::StatusOr<std::shared_ptr<TickProbe>> TickProbeOwner::Acquire(const Resources& resources) {
  if (std::shared_ptr<TickProbe> probe = probe_.lock()) return probe;
  ASSIGN_OR_RETURN(std::shared_ptr<TickProbe> probe, TickProbe::Open(resources));
  probe_ = probe;
  return probe;
}

}  // namespace huatuo
