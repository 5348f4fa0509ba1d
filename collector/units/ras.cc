#include "bpf/ras.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <numeric>

#include "bpf/ras.skel.h"
#include "collector/kernel/skeleton_instance.h"
#include "collector/unit.h"
#include "collector/units/ras_decode.h"
#include "common/clock.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

// ---- the event

v1::Value OrUnknown(std::string_view text) { return text.empty() ? Unknown() : TextValue(text); }

v1::Value Dev(const ras_event& event, Context&) { return OrUnknown(RasDevice(event)); }
v1::Value EventName(const ras_event& event, Context&) {
  return OrUnknown(RasSourceName(event.source));
}
v1::Value Type(const ras_event& event, Context&) { return OrUnknown(RasSeverity(event)); }
v1::Value Details(const ras_event& event, Context&) { return RasDetails(event); }

// A machine check can be older than its report: it waits in its bank until somebody looks.
v1::Value ObservedTimestamp(const ras_event& event, Context&) {
  if (event.source == RAS_MCE && event.number[MCE_TIME] != 0) {
    return UintValue(event.number[MCE_TIME] * kSecond);
  }
  const auto boot_ns = static_cast<int64_t>(event.header.time_ns);
  return UintValue(static_cast<uint64_t>(Clock::Real().WallOfBoot(boot_ns)));
}

constexpr auto kFields = FieldsOf<ras_event>(
    Derived<&Dev>("dev", "The part that failed: cpu3, mc0, 0000:01:00.0; null when nobody said.",
                  v1::Field::TEXT),
    Derived<&EventName>("event",
                        "Who reported it: mce, edac, aer, non_standard, arm, memory_failure, "
                        "extlog or mce_threshold.",
                        v1::Field::TEXT),
    Derived<&Type>("type", "corrected, deferred, uncorrected, fatal or info.", v1::Field::TEXT),
    Derived<&ObservedTimestamp>("observed_timestamp", "When the hardware saw it, in ns since 1970.",
                                v1::Field::UINT),
    Derived<&Details>("info", "What the report says, decoded; its names depend on the event.",
                      v1::Field::MAP),
    Hidden<&ras_event::number>(), Hidden<&ras_event::text>(), Hidden<&ras_event::raw>(),
    Hidden<&ras_event::raw_len>(), Hidden<&ras_event::source>());

// A part that fails again and again in the same place.
constexpr std::string_view kSame[] = {"dev", "event", "type", "info"};

constexpr EventType kEvents[] = {{
    .name = "ras",
    .help = "The hardware reported an error. The task is whoever was running.",
    .fields = kFields,
    .record_bytes = sizeof(ras_event),
    .same = kSame,
}};

enum Metric : size_t { kErrors, kSources };

constexpr std::string_view kTypeLabel[] = {"type"};
constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_ras_errors_total",
     .help = "Reports of the hardware by who made them, refused ones included.",
     .type = v1::MetricType::COUNTER,
     .labels = kTypeLabel},
    {.name = "huatuo_node_ras_source",
     .help = "1: this kernel can tell of such errors; 0: it was built without.",
     .type = v1::MetricType::GAUGE,
     .labels = kTypeLabel},
};

constexpr Parameter kParameters[] = {
    {.name = "limit_per_second",
     .help = "Events a second of one source and CPU; more are counted as refused.",
     .unit = "events/s",
     .default_value = 10,
     .minimum = 0,
     .maximum = 1'000'000},
    {.name = "threshold_cooldown_ns",
     .help = "After an mce_threshold event further ones are only counted for so long.",
     .unit = "ns",
     .default_value = 1'800 * kSecond,
     .minimum = 0,
     .maximum = 86'400 * kSecond},
};

// ---- the instance

// By enum ras_source.
struct Probe {
  std::string_view program;
  const char* type;  // that the kernel's BTF has when it has the tracepoint
};
constexpr Probe kProbes[] = {
    {"ras_mce", "btf_trace_mce_record"},
    {"ras_edac", "btf_trace_mc_event"},
    {"ras_aer", "btf_trace_aer_event"},
    {"ras_non_standard", "btf_trace_non_standard_event"},
    {"ras_arm", "btf_trace_arm_event"},
    {"ras_memory_failure", "btf_trace_memory_failure_event"},
    {"ras_extlog", "btf_trace_extlog_mem_event"},
    {"ras_threshold", "btf_trace_threshold_apic_entry"},
};
static_assert(std::size(kProbes) == RAS_SOURCES);

using Present = std::array<bool, RAS_SOURCES>;

Present FindProbes() {
  Present present{};
  const std::unique_ptr<btf, void (*)(btf*)> kernel(btf__load_vmlinux_btf(), btf__free);
  if (kernel == nullptr) return present;
  for (size_t i = 0; i < present.size(); ++i) {
    present[i] = btf__find_by_name_kind(kernel.get(), kProbes[i].type, BTF_KIND_TYPEDEF) > 0;
  }
  return present;
}

class RasInstance : public SkeletonInstance {
 public:
  RasInstance(std::unique_ptr<BpfObject> object, const OpenRequest& request, Context& context,
              const Present& present)
      : SkeletonInstance(std::move(object), request, context), present_(present) {}

  void Collect(MetricWriter& writer) override {
    for (uint32_t source = 0; source < RAS_SOURCES; ++source) {
      const std::string_view label[] = {RasSourceName(source)};
      writer.Set(kSources, label, nullptr, present_[source] ? 1 : 0);
      if (present_[source]) {
        writer.Set(kErrors, label, nullptr, static_cast<double>(Count(source)));
      }
    }
  }

 private:
  uint64_t Count(uint32_t source) const {
    std::vector<uint64_t> cpus(PossibleCpus());
    if (bpf_map_lookup_elem(object().MapFd("errors"), &source, cpus.data()) != 0) return 0;
    return std::accumulate(cpus.begin(), cpus.end(), uint64_t{0});
  }

  const Present present_;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  const Present present = FindProbes();
  std::vector<std::string_view> programs;
  for (size_t i = 0; i < present.size(); ++i) {
    if (present[i]) programs.push_back(kProbes[i].program);
  }
  if (programs.empty()) return Unavailable("no tracepoint of hardware errors in the kernel's BTF");
  Mechanism here = *request.mechanism;
  here.programs = programs;
  OpenRequest narrowed = request;
  narrowed.mechanism = &here;
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object,
                   PrepareObject(Elf<ras_bpf>(), narrowed, resources));
  RETURN_IF_ERROR(object->Load());
  auto instance =
      std::make_unique<RasInstance>(std::move(object), request, resources.context, present);
  RETURN_IF_ERROR(instance->Start());
  return instance;
}

constexpr Mechanism kMechanisms[] = {{"raw_tp", "", &Open}};

constexpr MetricSource kMetricSources[] = {
    {"huatuo_node_ras_errors_total",
     "mce_record, mc_event, aer_event, non_standard_event, arm_event, memory_failure_event, "
     "extlog_mem_event, threshold_apic_entry"},
    {"huatuo_node_ras_source", "which of these tracepoints the kernel has"},
};

}  // namespace

extern constexpr Unit kRas = {
    .name = "ras",
    .help = "Errors of CPUs, memory and PCIe devices that the hardware itself reports.",
    .events = kEvents,
    .metrics = kMetrics,
    .sources = kMetricSources,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
