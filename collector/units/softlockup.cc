// CPUs that do not schedule: seen by the shared ticks, and told by the kernel's own watchdog.
#include "bpf/softlockup.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "collector/kernel/tick_probe.h"
#include "collector/unit.h"
#include "collector/units/softlockup_event.h"
#include "collector/units/softlockup_kmsg.h"
#include "collector/units/tick_place.h"
#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// ---- the event

v1::Value Source(const softlockup_event& event, Context&) {
  return TextValue(event.source == SOFTLOCKUP_BY_WATCHDOG ? "watchdog" : "tick");
}
v1::Value Threshold(const softlockup_event& event, Context&) {
  return event.threshold_ns == 0 ? Unknown() : UintValue(event.threshold_ns);
}
v1::Value Stack(const softlockup_event& event, Context& context) {
  return PlaceStack(event.place, context);
}
v1::Value Registers(const softlockup_event& event, Context&) { return PlaceRegisters(event.place); }

constexpr auto kFields = FieldsOf<softlockup_event>(
    F<&softlockup_event::duration_ns>("duration_ns",
                                      "How long it had not scheduled when this was seen."),
    Derived<&Threshold>("threshold_ns", "From this on it is reported; the kernel has its own.",
                        v1::Field::UINT),
    Derived<&Source>("source", "tick: seen by the collector; watchdog: the kernel's own says so.",
                     v1::Field::TEXT),
    Derived<&Stack>("stack", "Kernel stack of the task that holds the CPU.", v1::Field::STACK),
    Derived<&Registers>("registers", "Of that task, in the kernel.", v1::Field::TEXT),
    Late("cpus_stack", "What each CPU is doing, with its kernel stack.", v1::Field::TEXT),
    Hidden<&softlockup_event::threshold_ns>(), Hidden<&softlockup_event::place>(),
    Hidden<&softlockup_event::source>(), Hidden<&softlockup_event::reserved>());

constexpr EventType kEvents[] = {{
    .name = "softlockup",
    .help = "A CPU does not schedule although a task waits for it.",
    .fields = kFields,
    .record_bytes = sizeof(softlockup_event),
    .complete = &CompleteSoftlockup,
    // The first use of the kernel's symbols loads them.
    .deadline = std::chrono::milliseconds(2000),
}};

enum ParameterIndex : size_t { kThreshold, kLimit };

constexpr Parameter kParameters[] = {
    {.name = "threshold_ns",
     .help = "A CPU that is due to schedule and has not for so long is reported, once.",
     .unit = "ns",
     .default_value = 1'000'000'000,
     .minimum = 100'000'000,
     .maximum = 3'600'000'000'000},
    kLimitPerSecond,
};

// ---- the instance

class Softlockup : public Instance {
 public:
  Softlockup(std::shared_ptr<TickProbe> probe, std::unique_ptr<KernelLog> log,
             const OpenRequest& request, const Resources& resources)
      : probe_(std::move(probe)),
        log_(std::move(log)),
        request_(request),
        clock_(resources.clock),
        sink_(resources.sink),
        before_(probe_->counts(TICK_WATCH_SCHEDULE)) {
    watch_ = {.threshold_ns = request.parameters[kThreshold],
              .limit_per_second = request.parameters[kLimit],
              .instance = request.instance_id,
              .unit = request.unit_id};
  }
  ~Softlockup() override {
    Softlockup::Stop();
    probe_->Leave(this);
  }

  absl::Status Start() { return probe_->Write(TICK_WATCH_SCHEDULE, watch_); }

  absl::Status SetParameter(size_t index, uint64_t value) override {
    (index == kThreshold ? watch_.threshold_ns : watch_.limit_per_second) = value;
    return Start();
  }

  EmitCounts counts() const override {
    const EmitCounts now = probe_->counts(TICK_WATCH_SCHEDULE);
    return {.emitted = now.emitted - before_.emitted + told_,
            .refused = now.refused - before_.refused,
            .ring_full = now.ring_full - before_.ring_full};
  }

  void Stop() override { probe_->Write(TICK_WATCH_SCHEDULE, {}).IgnoreError(); }

  void Collect(MetricWriter&) override {
    const absl::Status status = probe_->FollowCpus();
    if (!status.ok()) LogWarning("softlockup: " + Message(status));
  }

  int fd() const override { return log_ == nullptr ? -1 : log_->fd(); }
  void Ready() override {
    const uint64_t before = log_->overwritten();
    log_->Read([this](const WatchdogReport& report) { Tell(report); });
    const uint64_t lost = log_->overwritten() - before;
    if (lost > 0) sink_.Lost(request_, "kernel_log", lost);
  }

  void AddPrograms(std::vector<ProgramRef>& programs) const override {
    if (probe_->SpeaksFor(this)) probe_->object().AddPrograms(programs);
  }
  uint64_t MapBytes() const override {
    return probe_->SpeaksFor(this) ? probe_->object().MapBytes() : 0;
  }

 private:
  // Process, cgroup and stack are known when the CPU's newest tick found the same task.
  void Tell(const WatchdogReport& report) {
    auto event = std::make_shared<softlockup_event>();
    event_header& header = event->header;
    header.time_ns = static_cast<uint64_t>(clock_.BootNs());
    header.tgid = header.tid = report.tid;
    header.cpu = report.cpu;
    report.comm.copy(header.comm, sizeof(header.comm));
    event->duration_ns = report.duration_ns;
    event->source = SOFTLOCKUP_BY_WATCHDOG;
    if (const auto sample = probe_->Newest(report.cpu); sample && sample->tid == report.tid) {
      header.cgroup = sample->cgroup;
      header.tgid = sample->tgid;
      event->place = sample->place;
    }
    ++told_;
    sink_.Emit(request_, 0, std::move(event));
  }

  const std::shared_ptr<TickProbe> probe_;
  const std::unique_ptr<KernelLog> log_;  // null: not read
  const OpenRequest request_;
  const Clock& clock_;
  EventSink& sink_;
  const EmitCounts before_;  // of an instance before this one
  std::atomic<uint64_t> told_ = 0;
  tick_watch watch_{};
};

absl::StatusOr<std::unique_ptr<Instance>> OpenWith(std::unique_ptr<KernelLog> log,
                                                   const OpenRequest& request,
                                                   const Resources& resources) {
  if (resources.ticks == nullptr) return Unavailable("no shared ticks");
  ASSIGN_OR_RETURN(std::shared_ptr<TickProbe> probe, resources.ticks->Acquire(resources));
  auto instance =
      std::make_unique<Softlockup>(std::move(probe), std::move(log), request, resources);
  RETURN_IF_ERROR(instance->Start());
  return instance;
}

absl::StatusOr<std::unique_ptr<Instance>> OpenBoth(const OpenRequest& request,
                                                   const Resources& resources) {
  ASSIGN_OR_RETURN(std::unique_ptr<KernelLog> log,
                   KernelLog::Open(resources.root.Path("/dev/kmsg")));
  return OpenWith(std::move(log), request, resources);
}

absl::StatusOr<std::unique_ptr<Instance>> OpenTicks(const OpenRequest& request,
                                                    const Resources& resources) {
  return OpenWith(nullptr, request, resources);
}

constexpr std::string_view kPrograms[] = {"tick_sample"};
constexpr Mechanism kMechanisms[] = {
    {"perf_event+kmsg", "", &OpenBoth, kPrograms},
    {"perf_event", "what the kernel's own watchdog says", &OpenTicks, kPrograms},
};

}  // namespace

extern constexpr Unit kSoftlockup = {
    .name = "softlockup",
    .help = "CPUs that do not schedule, with the task that holds them and what all CPUs do.",
    .events = kEvents,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 2,
};

}  // namespace huatuo
