#include <numeric>

#include "bpf/sched.h"
#include "collector/kernel/sched_probe.h"
#include "collector/unit.h"
#include "collector/units/runqlat_wait.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// ---- the event sched_delay

struct Culprit {
  std::string comm;
  uint64_t pid;
  uint64_t tid;
  std::optional<std::string> container_id;
};

constexpr auto kCulpritFields =
    TableOf(F<&Culprit::comm>("comm", "Command name."), F<&Culprit::pid>("pid", "Process."),
            F<&Culprit::tid>("tid", "Thread."),
            F<&Culprit::container_id>("container_id", "Its container."));

// Who held the CPU until the task got it; nobody when it was idle, as after a quota's throttling.
v1::Value Culprits(const sched_delay_event& event, Context& context) {
  std::vector<Culprit> culprits;
  if (event.previous_tid != 0) {
    const std::optional<v1::Container> container = context.FindContainer(event.previous_cgroup);
    culprits.push_back({ValueOf(event.previous_comm).text(), event.previous_tgid,
                        event.previous_tid, std::nullopt});
    if (container.has_value()) culprits.back().container_id = container->id();
  }
  return ListValue(culprits, kCulpritFields, context);
}

constexpr auto kFields = FieldsOf<sched_delay_event>(
    F<&sched_delay_event::delay_ns>("delay_ns", "How long the task was runnable without running."),
    F<&sched_delay_event::threshold_ns>("threshold_ns", "Waits from this on are reported."),
    Derived<&Culprits>("culprits", "The task that held the CPU at the end of the wait.",
                       v1::Field::LIST, kCulpritFields),
    Hidden<&sched_delay_event::previous_cgroup>(), Hidden<&sched_delay_event::previous_tgid>(),
    Hidden<&sched_delay_event::previous_tid>(), Hidden<&sched_delay_event::previous_comm>());

constexpr SubjectSource kSubjects[] = {
    {"", [](const void* r) { return static_cast<const event_header*>(r)->cgroup; }},
    {"culprit",
     [](const void* r) { return static_cast<const sched_delay_event*>(r)->previous_cgroup; }},
};

constexpr EventType kEvents[] = {{
    .name = "sched_delay",
    .help = "A task was runnable for longer than the threshold without running.",
    .fields = kFields,
    .record_bytes = sizeof(sched_delay_event),
    .subjects = kSubjects,
}};

// ---- the histograms

// 1 us to 16.8 s, as in bpf/sched.h; of each container 256 us to 2.1 s, as containers are many.
constexpr double kFirstBound = 1e-6;
constexpr uint32_t kBounds = SCHED_BUCKETS - 1;
constexpr uint32_t kContainerSkips = 8;
constexpr double kContainerFirstBound = kFirstBound * (1 << kContainerSkips);
constexpr uint32_t kContainerBounds = 14;

constexpr std::string_view kBehindLabel[] = {"behind"};
constexpr std::string_view kCulpritLabel[] = {"culprit"};
constexpr std::string_view kVoluntaryLabel[] = {"voluntary"};

constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_runqueue_latency_seconds",
     .help = "Time that tasks were runnable before they ran, all tasks of the node.",
     .type = v1::MetricType::HISTOGRAM,
     .first_bound = kFirstBound,
     .buckets = kBounds},
    {.name = "huatuo_container_runqueue_latency_seconds",
     .help = "Time that tasks of the container were runnable before they ran.",
     .type = v1::MetricType::HISTOGRAM,
     .container = true,
     .first_bound = kContainerFirstBound,
     .buckets = kContainerBounds},
    {.name = "huatuo_collector_runqlat_overflowed_containers_total",
     .help = "Containers that found no slot of their own and count as ~other.",
     .type = v1::MetricType::COUNTER},
    {.name = "huatuo_container_cpu_wait_seconds_total",
     .help =
         "Time that tasks of the container were runnable and waited for a CPU, counted when the "
         "wait ends. behind=own: a task of the same container ran; other: somebody else's, see "
         "huatuo_container_cpu_wait_by_seconds_total; throttle: a quota of the container or of "
         "what it is in was used up; idle: nothing ran, as while a sleeping CPU wakes up; unknown: "
         "it began before the CPU's memory of who ran. What was before a migration is not there.",
     .type = v1::MetricType::COUNTER,
     .labels = kBehindLabel,
     .container = true},
    {.name = "huatuo_container_cpu_wait_ratio",
     .help =
         "Seconds in which tasks of the container waited for a CPU, per second of wall time since "
         "the last sample: 1 is one task that waited all the time, and several tasks make more. "
         "behind=own is the inner, behind=other the exter wait rate.",
     .type = v1::MetricType::GAUGE,
     .labels = kBehindLabel,
     .container = true,
     .on_request = true},
    {.name = "huatuo_container_cpu_wait_by_seconds_total",
     .help = "Of the waits with behind=other: whose tasks ran meanwhile. culprit: the id of a "
             "container, the name of a service, host: processes outside of both, kernel: kernel "
             "threads, ~other: those for which there was no room.",
     .type = v1::MetricType::COUNTER,
     .labels = kCulpritLabel,
     .container = true},
    {.name = "huatuo_collector_runqlat_unnamed_wait_seconds_total",
     .help =
         "Waits of containers whose culprit is not named, as the node has 512 pairs of container "
         "and culprit already.",
     .type = v1::MetricType::COUNTER},
    {.name = "huatuo_container_context_switches_total",
     .help =
         "Switches away from a task of the container. voluntary=true: it had nothing to do until "
         "something happens; false: it had to make room.",
     .type = v1::MetricType::COUNTER,
     .labels = kVoluntaryLabel,
     .container = true},
};

enum ParameterIndex : size_t { kThreshold, kLimit, kHostTasks };

constexpr Parameter kParameters[] = {
    {.name = "threshold_ns",
     .help = "A wait of this length or more makes a sched_delay event.",
     .unit = "ns",
     .default_value = 100'000'000,
     .minimum = 1'000,
     .maximum = 3'600'000'000'000},
    kLimitPerSecond,
    {.name = "host_tasks",
     .help = "1: sched_delay also for tasks outside of containers.",
     .unit = "",
     .default_value = 0,
     .minimum = 0,
     .maximum = 1},
};

class Runqlat : public Instance {
 public:
  Runqlat(std::shared_ptr<SchedProbe> probe, uint32_t index, const OpenRequest& request,
          const Resources& resources)
      : probe_(std::move(probe)),
        index_(index),
        before_(probe_->counts(index)),
        request_(request),
        clock_(resources.clock),
        context_(resources.context) {}
  ~Runqlat() override { probe_->Release(index_); }

  absl::Status Start() {
    if (!request_.filter.container_id.empty() && !Slot().has_value()) {
      return NotFound("container " + request_.filter.container_id + ": not on this node");
    }
    values_.assign(request_.parameters.begin(), request_.parameters.end());
    return Write();
  }

  absl::Status SetParameter(size_t index, uint64_t value) override {
    values_[index] = value;
    return Write();
  }

  EmitCounts counts() const override {
    const EmitCounts now = probe_->counts(index_);
    return {now.emitted - before_.emitted, now.refused - before_.refused,
            now.ring_full - before_.ring_full};
  }
  void Stop() override { probe_->Write(index_, {}).IgnoreError(); }

  void OnContainers() override {
    if (request_.instance_id == 0) probe_->Sync(context_.LiveContainers());
    if (!request_.filter.container_id.empty()) Write().IgnoreError();
  }

  void Collect(MetricWriter& writer) override {
    if (request_.instance_id != 0) return;
    static const v1::Container kOther = [] {
      v1::Container other;
      other.set_id("~other");
      return other;
    }();
    const int64_t now_ns = clock_.BootNs();
    Put(writer, kNodeLatency, nullptr, probe_->Host());
    probe_->EachContainer([&](const v1::Container* container, const SchedProbe::Histogram& h) {
      if (container == nullptr) container = &kOther;
      Put(writer, kContainerLatency, container, h);
      wait_.Write(*container, h, now_ns, writer);
    });
    wait_.WriteCulprits(*probe_, kOther, writer);
    writer.Set(kOverflow, {}, nullptr, static_cast<double>(probe_->overflowed()));
  }

  // The probe belongs to all its users; the first one reports it.
  void AddPrograms(std::vector<ProgramRef>& programs) const override {
    if (request_.instance_id == 0) probe_->object().AddPrograms(programs);
  }
  uint64_t MapBytes() const override {
    return request_.instance_id == 0 ? probe_->object().MapBytes() : 0;
  }

 private:
  // nullopt: the container is not here, so nothing can match.
  std::optional<uint32_t> Slot() const {
    if (request_.filter.container_id.empty()) return ~0U;
    return probe_->SlotOf(request_.filter.container_id);
  }

  absl::Status Write() {
    const std::optional<uint32_t> slot = Slot();
    sched_instance instance{};
    instance.threshold_ns = slot.has_value() ? values_[kThreshold] : 0;
    instance.limit_per_second = values_[kLimit];
    instance.slot = slot.value_or(0);
    instance.tgid = request_.filter.pid;
    instance.instance = request_.instance_id;
    instance.unit = request_.unit_id;
    instance.containers_only = values_[kHostTasks] == 0;
    return probe_->Write(index_, instance);
  }

  static void Put(MetricWriter& writer, RunqlatMetric metric, const v1::Container* container,
                  const SchedProbe::Histogram& histogram) {
    std::array<uint64_t, SCHED_BUCKETS> cumulative{};
    std::partial_sum(histogram.bucket.begin(), histogram.bucket.end(), cumulative.begin());
    std::span<uint64_t> told = cumulative;
    if (container != nullptr) {
      told = told.subspan(kContainerSkips, kContainerBounds + 1);
      told.back() = cumulative.back();
    }
    writer.SetHistogram(metric, {}, container, told, static_cast<double>(histogram.sum_ns) / 1e9,
                        static_cast<int64_t>(histogram.since_wall_ns));
  }

  const std::shared_ptr<SchedProbe> probe_;
  const uint32_t index_;
  const EmitCounts before_;  // of whoever had the index before
  const OpenRequest request_;
  const Clock& clock_;
  Context& context_;
  RunqlatWait wait_;
  std::vector<uint64_t> values_;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  ASSIGN_OR_RETURN(std::shared_ptr<SchedProbe> probe,
                   resources.sched.Acquire(request.mechanism->programs, resources));
  ASSIGN_OR_RETURN(const uint32_t index, probe->Reserve(request.instance_id == 0));
  auto instance = std::make_unique<Runqlat>(probe, index, request, resources);
  RETURN_IF_ERROR(instance->Start());
  return instance;
}

constexpr std::string_view kNamed[] = {"sched_switch_named"};
constexpr std::string_view kTyped[] = {"sched_switch_btf"};
constexpr std::string_view kRaw[] = {"sched_switch_raw"};
constexpr Mechanism kMechanisms[] = {
    {"tp_btf+runqueues", "", &Open, kNamed},
    {"tp_btf", "", &Open, kTyped},
    {"raw_tp", "", &Open, kRaw},
};

constexpr MetricSource kSources[] = {
    {"", "sched_switch"},
};

}  // namespace

extern constexpr Unit kRunqlat = {
    .name = "runqlat",
    .help =
        "How long runnable tasks wait for a CPU, and behind whom: histograms, causes and culprits, "
        "and an event for each long wait.",
    .events = kEvents,
    .metrics = kMetrics,
    .sources = kSources,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 1,
    .task = true,
};

}  // namespace huatuo
