// The collector's own cost and losses, sent like any other unit's metrics.
#include "collector/instance.h"
#include "collector/self_report.h"
#include "collector/unit.h"
#include "common/unit_state.h"

namespace huatuo {
namespace {

enum Metric : size_t {
  kCpu,
  kRss,
  kMapBytes,
  kSpoolBytes,
  kOverhead,
  kBudget,
  kContainers,
  kUnitState,
  kEmitted,
  kLost,
  kRunSeconds,
  kRuns,
  kProgramRatio,
  kRecursionMisses,
  kShed,
  kProfiles,
  kProfileSpoolBytes,
  kTasks,
  kTasksEnded,
  kSeries,
  kFoldedSeries,
};

constexpr std::string_view kUnitLabels[] = {"unit", "instance", "state", "mechanism"};
constexpr std::string_view kLossLabels[] = {"unit", "cause"};
constexpr std::string_view kUnitLabel[] = {"unit"};
constexpr std::string_view kOutcomeLabel[] = {"outcome"};
constexpr std::string_view kProgramLabels[] = {"unit", "program"};
constexpr std::string_view kFamilyLabel[] = {"family"};
constexpr std::string_view kStageLabels[] = {"stage"};
constexpr auto kCounter = v1::MetricType::COUNTER;
constexpr auto kGauge = v1::MetricType::GAUGE;

constexpr MetricType kMetrics[] = {
    {"huatuo_collector_cpu_seconds_total", "CPU time of the collector, user and system.", kCounter},
    {"huatuo_collector_resident_memory_bytes", "Resident memory of the collector.", kGauge},
    {"huatuo_collector_bpf_map_bytes", "Memory that the kernel holds for its BPF maps.", kGauge},
    {"huatuo_collector_spool_bytes", "Size of the spool on disk.", kGauge},
    {"huatuo_collector_overhead_ratio",
     "Share of the node's CPU that the collector and its BPF programs take.", kGauge},
    {"huatuo_collector_overhead_budget_ratio", "What the governor allows.", kGauge},
    {"huatuo_collector_containers", "Containers on the node.", kGauge},
    {"huatuo_collector_unit_state", "1 for the state that a unit's instance is in.", kGauge,
     kUnitLabels},
    {"huatuo_collector_events_emitted_total", "Records that a unit's programs sent.", kCounter,
     kUnitLabel},
    {"huatuo_collector_lost_total", "Observations that were lost, by cause.", kCounter,
     kLossLabels},
    {"huatuo_collector_bpf_run_seconds_total",
     "Run time of a BPF program while it was measured (1 s in 10).", kCounter, kProgramLabels},
    {"huatuo_collector_bpf_runs_total", "Runs of a BPF program while it was measured.", kCounter,
     kProgramLabels},
    {"huatuo_collector_bpf_cpu_ratio",
     "Share of one CPU that a BPF program took in the newest measured second.", kGauge,
     kProgramLabels},
    {"huatuo_collector_bpf_recursion_misses_total",
     "Times that a BPF program did not run because it was running on that CPU already.", kCounter,
     kProgramLabels},
    {"huatuo_collector_shed_units", "Units that the governor has given up.", kGauge},
    {"huatuo_collector_profiles_total", "Profiles that were taken from units and delivered.",
     kCounter, kStageLabels},
    {"huatuo_collector_profile_spool_bytes", "Size of the spool of the profiles.", kGauge},
    {"huatuo_collector_tasks", "Tasks that run on the node.", kGauge},
    {"huatuo_collector_tasks_ended_total", "Tasks that ended: completed, or failed before that.",
     kCounter, kOutcomeLabel},
    {"huatuo_collector_series", "Metric series of the node.", kGauge},
    {"huatuo_collector_folded_series",
     "Series of a family beyond metrics.max_series_per_family: they are told as ~other.", kGauge,
     kFamilyLabel},
};

using Labels = std::initializer_list<std::string_view>;

class Self : public Instance {
 public:
  explicit Self(const SelfReport& report) : report_(report) {}

  absl::Status SetParameter(size_t, uint64_t) override { return absl::OkStatus(); }

  void Collect(MetricWriter& writer) override {
    const v1::NodeStatus& status = report_.status;
    const auto set = [&](Metric metric, Labels labels, double value) {
      writer.Set(metric, {labels.begin(), labels.size()}, nullptr, value);
    };
    set(kCpu, {}, status.cpu_seconds());
    set(kRss, {}, static_cast<double>(status.rss_bytes()));
    set(kMapBytes, {}, static_cast<double>(status.map_bytes()));
    set(kSpoolBytes, {}, static_cast<double>(status.spool_bytes()));
    set(kOverhead, {}, status.overhead_ratio());
    set(kBudget, {}, status.budget_ratio());
    set(kContainers, {}, static_cast<double>(status.containers()));
    set(kShed, {}, status.shed_size());
    const ProfileReport& profiles = report_.profiles;
    set(kProfiles, {"taken"}, static_cast<double>(profiles.taken));
    set(kProfiles, {"delivered"}, static_cast<double>(profiles.delivered));
    set(kProfileSpoolBytes, {}, static_cast<double>(profiles.spool_bytes));
    set(kTasks, {}, static_cast<double>(report_.tasks.open));
    set(kTasksEnded, {"completed"}, static_cast<double>(report_.tasks.completed));
    set(kTasksEnded, {"failed"}, static_cast<double>(report_.tasks.failed));
    set(kSeries, {}, static_cast<double>(report_.series));
    for (const FoldedFamily& family : report_.folded) {
      set(kFoldedSeries, {family.name}, static_cast<double>(family.series));
    }
    for (const v1::UnitStatus& unit : status.units()) {
      // Ids of tasks would be labels without end.
      if (unit.instance() != "always") continue;
      set(kUnitState, {unit.unit(), unit.instance(), UnitStateName(unit.state()), unit.mechanism()},
          1);
      set(kEmitted, {unit.unit()}, static_cast<double>(unit.emitted()));
    }
    for (const v1::Loss& loss : status.losses()) {
      set(kLost, {loss.unit(), loss.cause()}, static_cast<double>(loss.count()));
    }
    for (const v1::ProgramCost& program : status.programs()) {
      // Tasks come and go; what they cost is in the node's status.
      if (program.instance() != "always") continue;
      const Labels labels = {program.unit(), program.program()};
      set(kRunSeconds, labels, static_cast<double>(program.run_ns()) / 1e9);
      set(kRuns, labels, static_cast<double>(program.runs()));
      set(kProgramRatio, labels, program.ratio());
      set(kRecursionMisses, labels, static_cast<double>(program.recursion_misses()));
    }
  }

 private:
  const SelfReport& report_;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest&, const Resources& resources) {
  return std::make_unique<Self>(resources.self);
}

constexpr Mechanism kMechanisms[] = {{"procfs", "", &Open}};

constexpr MetricSource kSources[] = {
    {"huatuo_collector_bpf_map_bytes", "fdinfo of the BPF maps"},
    {"huatuo_collector_bpf_", "bpf_prog_info of each program"},
    {"huatuo_collector_cpu_seconds_total", "getrusage"},
    {"huatuo_collector_resident_memory_bytes", "/proc/self/statm"},
    {"", "the collector itself"},
};

}  // namespace

extern constexpr Unit kSelf = {
    .name = "self",
    .help = "What the collector itself costs and loses.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
