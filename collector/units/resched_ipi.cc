// How long interrupts that ask a CPU to schedule are under way, and what that tells of a hypervisor
// that sold more CPUs than it has.
#include "bpf/resched_ipi.h"

#include <bpf/bpf.h>

#include <string_view>
#include <utility>
#include <vector>

#include "bpf/resched_ipi.skel.h"
#include "collector/kernel/counting_instance.h"
#include "collector/kernel/latency_metric.h"
#include "collector/unit.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

enum Metric : size_t { kLatency, kOversell };

constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_resched_ipi_latency_seconds",
     .help = "Time from one CPU's asking another one to schedule to the interrupt there.",
     .type = v1::MetricType::HISTOGRAM,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_node_cpu_oversell_probability_ratio",
     .help =
         "Since the last round: of the requests to schedule that found the CPU idle, those that "
         "took longer than 1 ms. An idle CPU has its interrupts on, so it was a hypervisor that "
         "had no CPU for it. Absent while there are none.",
     .type = v1::MetricType::GAUGE},
};

constexpr Parameter kParameters[] = {
    {.name = "measure",
     .help = "1: measure. The hooks are at every reschedule interrupt: about 1 us for each, at its "
             "two ends together.",
     .unit = "",
     .default_value = 0,
     .minimum = 0,
     .maximum = 1},
};

class ReschedIpi : public CountingInstance {
 public:
  // `object` is attached, so that it is known that it can be.
  ReschedIpi(std::unique_ptr<BpfObject> object, const Resources& resources)
      : CountingInstance(std::move(object), resources) {}

  absl::Status SetParameter(size_t, uint64_t value) override {
    const bool measure = value != 0;
    if (measure == measuring_) return absl::OkStatus();
    if (measure) {
      ForgetAsked();
      RETURN_IF_ERROR(object().Attach());
    } else {
      object().Detach();
    }
    measuring_ = measure;
    return absl::OkStatus();
  }

  void Collect(MetricWriter& writer) override {
    if (!measuring_) return;
    const uint32_t zero = 0;
    std::vector<resched_ipi> cpus(static_cast<size_t>(PossibleCpus()));
    if (bpf_map_lookup_elem(object().MapFd("arrived"), &zero, cpus.data()) != 0) return;
    resched_ipi sum{};
    for (const resched_ipi& cpu : cpus) {
      AddTo(&sum.latency, cpu.latency);
      sum.idle += cpu.idle;
      sum.idle_late += cpu.idle_late;
    }
    SetLatency(writer, kLatency, {}, nullptr, sum.latency, start_ns());
    const uint64_t idle = sum.idle - std::exchange(idle_, sum.idle);
    const uint64_t late = sum.idle_late - std::exchange(late_, sum.idle_late);
    if (idle > 0) {
      writer.Set(kOversell, {}, nullptr, static_cast<double>(late) / static_cast<double>(idle));
    }
  }

 private:
  // One that was under way when the programs were detached has no end.
  void ForgetAsked() {
    const resched_ipi_cpu nothing{};
    for (uint32_t cpu = 0; cpu < static_cast<uint32_t>(PossibleCpus()); ++cpu) {
      bpf_map_update_elem(object().MapFd("asked"), &cpu, &nothing, BPF_ANY);
    }
  }

  bool measuring_ = true;
  uint64_t idle_ = 0;
  uint64_t late_ = 0;
};

absl::Status Prepare(BpfObject& object) {
  return object.Resize("asked", static_cast<uint32_t>(PossibleCpus()));
}

constexpr auto kOpen = &OpenCounting<resched_ipi_bpf, ReschedIpi, &Prepare>;

// The receiver first: a request that is sent before it is there would seem to take for ever.
constexpr std::string_view kTracepoint[] = {"resched_ipi_arrive", "resched_ipi_send"};
// No fentry: before 5.13 it cannot be attached a second time.
constexpr std::string_view kKprobe[] = {"resched_ipi_arrive", "resched_ipi_send_kprobe"};
constexpr Mechanism kMechanisms[] = {
    {"ipi_send_cpu", "", kOpen, kTracepoint},
    {"kprobe", "", kOpen, kKprobe},
};

constexpr MetricSource kSources[] = {
    {"", "ipi_send_cpu, before 6.4 native_smp_send_reschedule; reschedule_entry of x86"},
};

}  // namespace

extern constexpr Unit kReschedIpi = {
    .name = "resched_ipi",
    .help =
        "How long interrupts that ask a CPU to schedule are under way: long where a hypervisor "
        "gives the CPU to others. Nothing is attached until the parameter measure is 1.",
    .metrics = kMetrics,
    .sources = kSources,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 1,
};

}  // namespace huatuo
