// Softirqs and hard interrupts that were held off, with the task that held the CPU meanwhile.
#include "bpf/softirq.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>

#include "bpf/softirq.skel.h"
#include "collector/kernel/latency_metric.h"
#include "collector/kernel/skeleton_instance.h"
#include "collector/kernel/tick_probe.h"
#include "collector/unit.h"
#include "collector/units/tick_place.h"
#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// ---- the event

constexpr std::array<std::string_view, SOFTIRQ_VECTORS> kVectors = {
    "HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"};

v1::Value KindName(const softirq_event& event, Context&) {
  return TextValue(event.kind == SOFTIRQ_KIND_HARD ? "hardirq" : "softirq");
}

v1::Value Vector(const softirq_event& event, Context&) {
  const bool known = event.kind == SOFTIRQ_KIND_SOFT && event.vector < kVectors.size();
  return known ? TextValue(kVectors[event.vector]) : Unknown();
}

v1::Value Vectors(const softirq_event& event, Context&) {
  if (event.kind != SOFTIRQ_KIND_SOFT) return Unknown();
  std::string text;
  for (size_t i = 0; i < kVectors.size(); ++i) {
    if ((event.vectors >> i & 1) == 0) continue;
    text += fmt::format("{}{}", text.empty() ? "" : " ", kVectors[i]);
  }
  return TextValue(text);
}

struct Server {
  std::string_view function;  // a part of its name
  std::string_view word;
};
constexpr Server kServers[] = {
    {"ksoftirqd", "ksoftirqd"}, {"irq_exit", "irq_exit"}, {"local_bh_enable", "bh_enable"}};

// By the functions through which the kernel came to it.
v1::Value ServedBy(const softirq_event& event, Context& context) {
  for (const uint64_t address : event.caller) {
    if (address == 0) break;
    const std::string symbol = context.Symbolize(address).symbol();
    for (const Server& server : kServers) {
      if (symbol.find(server.function) != std::string::npos) return TextValue(server.word);
    }
  }
  return Unknown();
}

v1::Value Stack(const softirq_event& event, Context& context) {
  return PlaceStack(event.place, context);
}
v1::Value Registers(const softirq_event& event, Context&) { return PlaceRegisters(event.place); }

constexpr auto kFields = FieldsOf<softirq_event>(
    F<&softirq_event::now_ns>("now", "End of the time, ns of the monotonic clock."),
    F<&softirq_event::off_ns>("offtime",
                              "How long it was held off, ns; hardirq: at least, by up to 25 ms."),
    F<&softirq_event::threshold_ns>("threshold", "From this on it is reported, ns."),
    Derived<&Stack>("stack", "Kernel stack of the culprit, at the newest tick that found it.",
                    v1::Field::STACK),
    Derived<&KindName>("kind", "softirq, or hardirq: interrupts were off.", v1::Field::TEXT),
    Derived<&Vector>("vector", "The softirq that was held off the longest.", v1::Field::TEXT),
    Derived<&Vectors>("vectors", "All that were held off together.", v1::Field::TEXT),
    Derived<&ServedBy>("served_by", "Where it ran at last: irq_exit, ksoftirqd or bh_enable.",
                       v1::Field::TEXT),
    Derived<&Registers>("registers", "Of the culprit, in the kernel.", v1::Field::TEXT),
    F<&softirq_event::samples>(
        "samples", "Ticks in that time; 0: the task is the one at the end, and no culprit."),
    F<&softirq_event::culprit_samples>("culprit_samples", "Those that found the culprit."),
    Hidden<&softirq_event::caller>(), Hidden<&softirq_event::place>(),
    Hidden<&softirq_event::kind>(), Hidden<&softirq_event::vector>(),
    Hidden<&softirq_event::vectors>(), Hidden<&softirq_event::reserved>());

// One hold delays every softirq that is raised meanwhile; they run one after the other at its end.
bool Fold(void* first, const void* next) {
  auto& into = *static_cast<softirq_event*>(first);
  const auto& from = *static_cast<const softirq_event*>(next);
  if (into.kind != SOFTIRQ_KIND_SOFT || from.kind != SOFTIRQ_KIND_SOFT) return false;
  if (into.header.cpu != from.header.cpu || from.now_ns - from.off_ns > into.now_ns) return false;
  const uint32_t vectors = into.vectors | from.vectors;
  if (from.off_ns > into.off_ns) into = from;
  into.vectors = vectors;
  return true;
}

constexpr EventType kEvents[] = {{
    .name = "softirq",
    .help = "Softirqs or hard interrupts of a CPU were held off for longer than the threshold.",
    .fields = kFields,
    .record_bytes = sizeof(softirq_event),
    .fold_window = std::chrono::milliseconds(10),
    .fold = &Fold,
}};

// ---- the metrics

enum Metric : size_t { kLatency, kSeconds, kHardirqLatency };

constexpr std::string_view kVectorLabel[] = {"vector"};

constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_softirq_latency_seconds",
     .help = "Time from a softirq's raise to its run.",
     .type = v1::MetricType::HISTOGRAM,
     .labels = kVectorLabel,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_node_softirq_seconds_total",
     .help = "Time that the CPUs spent in the softirq, with the hard interrupts that came "
             "meanwhile.",
     .type = v1::MetricType::COUNTER,
     .labels = kVectorLabel},
    {.name = "huatuo_node_hardirq_latency_seconds",
     .help = "How late the interrupt of a timer was, looked at 40 times a second on each CPU: "
             "interrupts were off, or the CPU slept deeply or was taken away by a hypervisor.",
     .type = v1::MetricType::HISTOGRAM,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
};

enum ParameterIndex : size_t { kThreshold, kLimit };

constexpr Parameter kParameters[] = {
    {.name = "threshold_ns",
     .help = "Reported from this on. Below 50 ms there may be no tick that tells the culprit.",
     .unit = "ns",
     .default_value = 100'000'000,
     .minimum = 1'000'000,
     .maximum = 3'600'000'000'000},
    {.name = "limit_per_second",
     .help = "Records a second of one cgroup and CPU, one for each vector; more are refused.",
     .unit = "records/s",
     .default_value = 50,
     .minimum = 0,
     .maximum = 1000},
};

// ---- the instance

class Softirq : public SkeletonInstance {
 public:
  Softirq(std::unique_ptr<BpfObject> object, const OpenRequest& request, Context& context,
          std::shared_ptr<TickProbe> probe, int64_t start_ns)
      : SkeletonInstance(std::move(object), request, context),
        start_ns_(start_ns),
        probe_(std::move(probe)),
        before_(probe_->counts(TICK_WATCH_HARDIRQ)) {
    watch_.instance = request.instance_id;
    watch_.unit = request.unit_id;
  }
  ~Softirq() override {
    CloseWatch();
    probe_->Leave(this);
  }

  absl::Status SetParameter(size_t index, uint64_t value) override {
    RETURN_IF_ERROR(SkeletonInstance::SetParameter(index, value));
    (index == kThreshold ? watch_.threshold_ns : watch_.limit_per_second) = value;
    return probe_->Write(TICK_WATCH_HARDIRQ, watch_);
  }

  EmitCounts counts() const override {
    EmitCounts sum = SkeletonInstance::counts();
    const EmitCounts ticks = probe_->counts(TICK_WATCH_HARDIRQ);
    sum.emitted += ticks.emitted - before_.emitted;
    sum.refused += ticks.refused - before_.refused;
    sum.ring_full += ticks.ring_full - before_.ring_full;
    return sum;
  }

  void Stop() override {
    CloseWatch();
    SkeletonInstance::Stop();
  }

  void Collect(MetricWriter& writer) override {
    const absl::Status status = probe_->FollowCpus();
    if (!status.ok()) LogWarning("softirq: " + Message(status));
    WriteVectors(writer);
    SetLatency(writer, kHardirqLatency, {}, nullptr, probe_->Lateness(), probe_->start_ns());
  }

  void AddPrograms(std::vector<ProgramRef>& programs) const override {
    SkeletonInstance::AddPrograms(programs);
    if (probe_->SpeaksFor(this)) probe_->object().AddPrograms(programs);
  }
  uint64_t MapBytes() const override {
    return SkeletonInstance::MapBytes() +
           (probe_->SpeaksFor(this) ? probe_->object().MapBytes() : 0);
  }

 private:
  void WriteVectors(MetricWriter& writer) const {
    std::vector<softirq_vector> cpus(static_cast<size_t>(PossibleCpus()));
    for (uint32_t vector = 0; vector < kVectors.size(); ++vector) {
      if (bpf_map_lookup_elem(object().MapFd("vectors"), &vector, cpus.data()) != 0) continue;
      const std::string_view labels[] = {kVectors[vector]};
      latency sum{};
      uint64_t run_ns = 0;
      for (const softirq_vector& cpu : cpus) {
        AddTo(&sum, cpu.latency);
        run_ns += cpu.run_ns;
      }
      writer.Set(kSeconds, labels, nullptr, static_cast<double>(run_ns) / 1e9);
      // Some vectors a machine never uses.
      if (Count(sum) > 0) SetLatency(writer, kLatency, labels, nullptr, sum, start_ns_);
    }
  }

  void CloseWatch() { probe_->Write(TICK_WATCH_HARDIRQ, {}).IgnoreError(); }

  const int64_t start_ns_;
  const std::shared_ptr<TickProbe> probe_;
  const EmitCounts before_;  // of an instance before this one
  tick_watch watch_{};
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  if (resources.ticks == nullptr) return Unavailable("no shared ticks");
  ASSIGN_OR_RETURN(std::shared_ptr<TickProbe> probe, resources.ticks->Acquire(resources));
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object,
                   PrepareObject(Elf<softirq_bpf>(), request, resources));
  RETURN_IF_ERROR(object->ShareMap("samples", probe->samples_fd()));
  RETURN_IF_ERROR(object->ShareMap("cpus", probe->cpus_fd()));
  RETURN_IF_ERROR(object->ShareMap("vectors", probe->vectors_fd()));
  probe->ForgetVectors();
  RETURN_IF_ERROR(object->Load());
  auto instance = std::make_unique<Softirq>(std::move(object), request, resources.context,
                                            std::move(probe), resources.clock.WallNs());
  RETURN_IF_ERROR(instance->Start());
  return instance;
}

constexpr std::string_view kTyped[] = {"softirq_raise_btf", "softirq_entry_btf",
                                       "softirq_exit_btf"};
constexpr std::string_view kRaw[] = {"softirq_raise_raw", "softirq_entry_raw", "softirq_exit_raw"};
constexpr Mechanism kMechanisms[] = {
    {"tp_btf", "", &Open, kTyped},
    {"raw_tp", "", &Open, kRaw},
};

constexpr MetricSource kSources[] = {
    {"huatuo_node_softirq_seconds_total", "softirq_entry, softirq_exit"},
    {"huatuo_node_hardirq_", "hrtimer of a perf event"},
    {"", "softirq_raise, softirq_entry"},
};

}  // namespace

extern constexpr Unit kSoftirq = {
    .name = "softirq",
    .help = "Softirqs and hard interrupts that were held off, and by whom.",
    .events = kEvents,
    .metrics = kMetrics,
    .sources = kSources,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 2,
};

}  // namespace huatuo
