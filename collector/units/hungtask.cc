// Tasks that hang in uninterruptible sleep: found by sweeps of our own, and by the kernel's
// detector where it is on.
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "collector/unit.h"
#include "collector/units/hungtask_event.h"
#include "collector/units/hungtask_source.h"
#include "collector/units/hungtask_watch.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
// A sweep of 10,000 tasks takes about a millisecond.
constexpr uint64_t kShortestInterval = kSecond / 4;
constexpr uint64_t kLongestInterval = 10 * kSecond;

// ---- the event

v1::Value Comm(const Hungtask& e, Context&) { return ValueOf(e.hung.task.comm); }
v1::Value Pid(const Hungtask& e, Context&) { return UintValue(e.hung.task.tgid); }
v1::Value Tid(const Hungtask& e, Context&) { return UintValue(e.hung.task.tid); }
v1::Value CgroupId(const Hungtask& e, Context&) {
  return e.hung.task.cgroup.id == 0 ? Unknown() : UintValue(e.hung.task.cgroup.id);
}
v1::Value StateNs(const Hungtask& e, Context&) { return ValueOf(e.hung.state_ns); }
v1::Value DetectedBy(const Hungtask& e, Context&) {
  return TextValue(e.by_kernel ? "kernel" : "sweep");
}
v1::Value DProcessCount(const Hungtask& e, Context&) { return UintValue(e.blocked->count); }

constexpr auto kFields = TableOf(
    Derived<&Comm>("comm", "Command name of the hung task.", v1::Field::TEXT),
    Derived<&Pid>("pid", "Process (thread group) of the task.", v1::Field::UINT),
    Derived<&Tid>("tid", "Thread of the task.", v1::Field::UINT),
    Derived<&CgroupId>("cgroup_id", "kernfs id of the task's cgroup.", v1::Field::ID),
    Derived<&StateNs>("state_ns", "How long it waits, at least: since a sweep saw it first.",
                      v1::Field::UINT),
    Derived<&DetectedBy>("detected_by", "sweep, or kernel: its own hung task detector.",
                         v1::Field::TEXT),
    Late("wchan", "Kernel function that it waits in.", v1::Field::TEXT),
    Late("stack", "Kernel stack of the hung task.", v1::Field::STACK),
    Late("cpus_stack", "What each CPU is doing, with its kernel stack.", v1::Field::TEXT),
    Derived<&DProcessCount>("d_process_count", "Tasks in uninterruptible sleep on the node.",
                            v1::Field::UINT),
    Late("blocked_processes_stack", "Their kernel stacks, the longest wait first.",
         v1::Field::TEXT),
    Late("blocked_processes", "These tasks, at most 64, the longest wait first.", v1::Field::LIST,
         kBlockedFields));

constexpr SubjectSource kSubjects[] = {
    {"", [](const void* r) { return static_cast<const Hungtask*>(r)->hung.task.cgroup; }},
};

constexpr EventType kEvents[] = {{
    .name = "hungtask",
    .help = "A task waits uninterruptibly for longer than the threshold.",
    .fields = kFields,
    .subjects = kSubjects,
    .complete = &CompleteHungtask,
    // The first use of the kernel's symbols loads them: two seconds on a busy CPU under emulation.
    .deadline = std::chrono::milliseconds(5000),
}};

enum ParameterIndex : size_t { kThreshold, kCooldown, kLimit };

constexpr Parameter kParameters[] = {
    {.name = "threshold_ns",
     .help = "A task that waits uninterruptibly for so long is hung.",
     .unit = "ns",
     .default_value = 120 * kSecond,
     .minimum = kSecond,
     .maximum = 86'400 * kSecond},
    {.name = "cooldown_ns",
     .help = "A task is reported at most once in this time, also when it hangs again.",
     .unit = "ns",
     .default_value = 1'800 * kSecond,
     .minimum = kSecond,
     .maximum = 86'400 * kSecond},
    {.name = "limit_per_minute",
     .help = "Events a minute of one cgroup; more are counted as refused.",
     .unit = "events/min",
     .default_value = 10,
     .minimum = 0,
     .maximum = 10'000},
};

// ---- the instance

class HungtaskInstance : public Instance {
 public:
  HungtaskInstance(std::unique_ptr<HungtaskSource> source, const OpenRequest& request,
                   const Resources& resources)
      : source_(std::move(source)),
        watch_(request, *source_, resources),
        values_(request.parameters.begin(), request.parameters.end()),
        timer_(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)) {}
  ~HungtaskInstance() override {
    if (timer_ >= 0) close(timer_);
  }

  absl::Status Start() {
    if (timer_ < 0) return ErrnoStatus(errno, "open a timer");
    return SetTimer();
  }

  absl::Status SetParameter(size_t index, uint64_t value) override {
    values_[index] = value;
    return index == kThreshold ? SetTimer() : absl::OkStatus();
  }

  EmitCounts counts() const override {
    return {
        .emitted = watch_.emitted(), .refused = watch_.refused(), .ring_full = source_->missed()};
  }
  int fd() const override { return timer_; }
  void Ready() override {
    uint64_t expirations = 0;
    if (read(timer_, &expirations, sizeof(expirations)) < 0) return;
    watch_.Sweep({values_[kThreshold], values_[kCooldown], values_[kLimit]});
  }
  void AddPrograms(std::vector<ProgramRef>& programs) const override {
    source_->AddPrograms(programs);
  }
  uint64_t MapBytes() const override { return source_->MapBytes(); }

 private:
  absl::Status SetTimer() {
    const uint64_t interval =
        std::clamp(values_[kThreshold] / 4, kShortestInterval, kLongestInterval);
    itimerspec spec{};
    spec.it_interval.tv_sec = static_cast<time_t>(interval / kSecond);
    spec.it_interval.tv_nsec = static_cast<long>(interval % kSecond);
    spec.it_value = spec.it_interval;
    if (timerfd_settime(timer_, 0, &spec, nullptr) != 0) return ErrnoStatus(errno, "set a timer");
    return absl::OkStatus();
  }

  const std::unique_ptr<HungtaskSource> source_;
  HungtaskWatch watch_;
  std::vector<uint64_t> values_;
  const int timer_;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  ASSIGN_OR_RETURN(std::unique_ptr<HungtaskSource> source, OpenHungtaskSource(request));
  auto instance = std::make_unique<HungtaskInstance>(std::move(source), request, resources);
  RETURN_IF_ERROR(instance->Start());
  return instance;
}

constexpr std::string_view kBoth[] = {"hungtask_hang", "hungtask_sweep"};
constexpr std::string_view kSweep[] = {"hungtask_sweep"};
constexpr Mechanism kMechanisms[] = {
    {"tp_btf", "", &Open, kBoth},
    {"sweep", "what the kernel's own detector reports", &Open, kSweep},
};

}  // namespace

extern constexpr Unit kHungtask = {
    .name = "hungtask",
    .help = "Tasks that hang in uninterruptible sleep, with what the node was doing.",
    .events = kEvents,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 2,
    .task = true,
};

}  // namespace huatuo
