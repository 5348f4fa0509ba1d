// Where CPU time goes: stacks of whatever runs, at each tick of every CPU.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "collector/instance.h"
#include "collector/units/cpu_profile_builder.h"
#include "collector/units/cpu_profile_hold.h"
#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"
#include "common/thread_name.h"

namespace huatuo {
namespace {

constexpr ProfileType kProfiles[] = {{
    .name = "cpu",
    .help = "Kernel and user stacks of what ran, idle CPUs left out.",
    .values = kCpuProfileValues,
}};

enum Metric : size_t { kSamples, kLost, kSymbolBytes, kSymbolFiles, kSymbolsForgotten };

constexpr std::string_view kCause[] = {"cause"};
constexpr MetricType kMetrics[] = {
    {.name = "huatuo_collector_cpu_profile_samples_total",
     .help = "Samples that the instance which is always open has counted.",
     .type = v1::MetricType::COUNTER},
    {.name = "huatuo_collector_cpu_profile_lost_total",
     .help = "Samples of that instance that were lost (map_full, map_busy) or tell less than they "
             "should, by cause; cpu_online: CPUs that came online, up to a second unseen.",
     .type = v1::MetricType::COUNTER,
     .labels = kCause},
    {.name = "huatuo_collector_symbols_bytes",
     .help = "Memory for names of user code, of all instances.",
     .type = v1::MetricType::GAUGE},
    {.name = "huatuo_collector_symbols_files",
     .help = "Files of user code that are known.",
     .type = v1::MetricType::GAUGE},
    {.name = "huatuo_collector_symbols_forgotten_total",
     .help = "Files that were forgotten because the memory for names is bounded.",
     .type = v1::MetricType::COUNTER},
};

enum ParameterIndex : size_t { kSampleHz, kAlwaysHz, kInterval, kParameterCount };

constexpr Parameter kParameters[] = {
    // Not a divisor of 100 or 1000, so that it does not run in step with timers.
    {.name = "sample_hz",
     .help = "Samples a second and CPU of a task.",
     .unit = "Hz",
     .default_value = 99,
     .minimum = 1,
     .maximum = 999},
    {.name = "always_sample_hz",
     .help = "The same of the instance that is always open; 0: it takes none.",
     .unit = "Hz",
     .default_value = 19,
     .minimum = 0,
     .maximum = 999},
    {.name = "always_interval_seconds",
     .help = "Time that one profile of the instance that is always open covers.",
     .unit = "s",
     .default_value = 60,
     .minimum = 1,
     .maximum = 3'600},
};

// How soon a process must be looked at after its first sample: what lives shorter has no names.
constexpr std::chrono::milliseconds kDrainInterval{1000};
constexpr std::chrono::milliseconds kNearlyFullInterval{250};
// So that little is left to do when the task ends and its result is waited for.
constexpr uint64_t kTaskIntervalNs = 10'000'000'000;
constexpr uint64_t kSecondNs = 1'000'000'000;

// Two locks, never held together with a wait in it: `mutex_` guards stop_ alone.
class CpuProfile : public Instance {
 public:
  CpuProfile(std::unique_ptr<CpuSampler> sampler, const OpenRequest& request,
             const Resources& resources)
      : sampler_(std::move(sampler)),
        request_(request),
        resources_(resources),
        builder_(resources.context,
                 [&resources](const ProcessId& process, std::span<const uint64_t> addresses) {
                   return resources.user_symbols->Resolve(process, addresses);
                 },
                 {}) {
    for (size_t i = 0; i < kParameterCount; ++i) values_[i] = request.parameters[i];
  }

  ~CpuProfile() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    if (!thread_.joinable()) return;
    thread_.join();
    sampler_->SetRate(0).IgnoreError();
    builder_.Add(sampler_->Drain());
    HandOver();
  }

  absl::Status Start() {
    if (!request_.filter.container_id.empty()) {
      const std::vector<cgroup_ref> cgroups = WantedCgroups();
      if (cgroups.empty()) {
        return NotFound("container " + request_.filter.container_id + ": not on this node");
      }
      RETURN_IF_ERROR(sampler_->SetCgroups(cgroups));
    }
    Begin();
    RETURN_IF_ERROR(sampler_->SetRate(hz_));
    thread_ = std::thread([this] { Run(); });
    return absl::OkStatus();
  }

  // Taken up by the worker at its next turn.
  absl::Status SetParameter(size_t index, uint64_t value) override {
    values_[index] = value;
    return absl::OkStatus();
  }

  // What there was no room for in the kernel counts as `ring_full`: it is the same kind of loss.
  EmitCounts counts() const override {
    const cpu_profile_counters now = sampler_->Counters();
    return {now.counted, 0, now.map_full + now.map_busy};
  }

  void OnContainers() override {
    if (request_.filter.container_id.empty()) return;
    const absl::Status status = sampler_->SetCgroups(WantedCgroups());
    if (!status.ok()) LogWarning("cpu_profile: " + Message(status));
  }

  void Collect(MetricWriter& writer) override {
    if (request_.instance_id != 0) return;
    writer.Set(kSamples, {}, nullptr, static_cast<double>(sampler_->Counters().counted));
    {
      const std::lock_guard lock(losses_mutex_);
      for (const auto& [cause, count] : losses_) {
        const std::string_view label = cause;
        writer.Set(kLost, {&label, 1}, nullptr, static_cast<double>(count));
      }
    }
    const ModuleCache::Counts symbols = resources_.user_symbols->counts();
    writer.Set(kSymbolBytes, {}, nullptr, static_cast<double>(symbols.bytes));
    writer.Set(kSymbolFiles, {}, nullptr, static_cast<double>(symbols.files));
    writer.Set(kSymbolsForgotten, {}, nullptr, static_cast<double>(symbols.forgotten));
  }

  void AddPrograms(std::vector<ProgramRef>& programs) const override {
    sampler_->object().AddPrograms(programs);
  }
  uint64_t MapBytes() const override { return sampler_->object().MapBytes(); }

 private:
  bool always() const { return request_.instance_id == 0; }
  uint32_t WantedHz() const {
    return static_cast<uint32_t>(values_[always() ? kAlwaysHz : kSampleHz].load());
  }
  uint64_t IntervalNs() const {
    return always() ? values_[kInterval].load() * kSecondNs : kTaskIntervalNs;
  }

  std::vector<cgroup_ref> WantedCgroups() const {
    for (LiveContainer& live : resources_.context.LiveContainers()) {
      if (live.container.id() == request_.filter.container_id) return std::move(live.cgroups);
    }
    return {};
  }

  void Run() {
    NameThread("cpu_profile");
    std::chrono::milliseconds wait = kDrainInterval;
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, wait, [this] { return stop_; })) {
      lock.unlock();
      wait = Turn();
      lock.lock();
    }
  }

  std::chrono::milliseconds Turn() {
    Tell(sampler_->FollowCpus());
    const CpuSampler::Samples samples = hold_.Sift(sampler_->Drain(), resources_.clock.BootNs());
    builder_.Add(samples);
    const auto age = static_cast<uint64_t>(resources_.clock.BootNs() - begin_boot_ns_);
    if (age >= IntervalNs() || WantedHz() != hz_) HandOver();
    return samples.nearly_full ? kNearlyFullInterval : kDrainInterval;
  }

  // Once for each trouble, not at every turn.
  void Tell(const absl::Status& status) {
    if (status == trouble_) return;
    trouble_ = status;
    if (!status.ok()) LogWarning("cpu_profile: " + Message(status));
  }

  void Begin() {
    hz_ = WantedHz();
    begin_wall_ns_ = resources_.clock.WallNs();
    begin_boot_ns_ = resources_.clock.BootNs();
  }

  // Ends the profile, and begins the next with the rate that is wanted now.
  void HandOver() {
    const uint64_t period_ns = hz_ == 0 ? 0 : kSecondNs / hz_;
    builder_.Add(hold_.Rest());
    v1::Profile profile = builder_.Take(period_ns);
    profile.set_type(std::string(kProfiles[0].name));
    profile.set_time_ns(begin_wall_ns_);
    profile.set_duration_ns(resources_.clock.BootNs() - begin_boot_ns_);
    profile.set_period_ns(period_ns);
    AddKernelLosses(profile);
    Account(profile);
    const bool sampled = hz_ != 0;
    if (WantedHz() != hz_) Tell(sampler_->SetRate(WantedHz()));
    Begin();
    if (sampled) resources_.profiles->Take(request_, std::move(profile));
  }

  void AddKernelLosses(v1::Profile& profile) {
    const cpu_profile_counters now = sampler_->Counters();
    const auto add = [&](const char* cause, uint64_t count) {
      if (count == 0) return;
      v1::Loss& loss = *profile.add_losses();
      loss.set_cause(cause);
      loss.set_count(count);
    };
    add("map_full", now.map_full - told_.map_full);
    add("map_busy", now.map_busy - told_.map_busy);
    add("cpu_online", sampler_->Arrivals() - told_arrivals_);
    told_ = now;
    told_arrivals_ = sampler_->Arrivals();
  }

  void Account(const v1::Profile& profile) {
    const std::lock_guard lock(losses_mutex_);
    for (const v1::Loss& loss : profile.losses()) losses_[loss.cause()] += loss.count();
  }

  const std::unique_ptr<CpuSampler> sampler_;
  const OpenRequest request_;
  const Resources& resources_;
  std::array<std::atomic<uint64_t>, kParameterCount> values_{};

  // Of the worker, and of the destructor after it.
  SampleHold hold_;
  CpuProfileBuilder builder_;
  uint32_t hz_ = 0;
  int64_t begin_wall_ns_ = 0;
  int64_t begin_boot_ns_ = 0;
  cpu_profile_counters told_{};
  uint64_t told_arrivals_ = 0;
  absl::Status trouble_;

  std::mutex losses_mutex_;
  std::map<std::string, uint64_t> losses_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  if (resources.profiles == nullptr || resources.user_symbols == nullptr) {
    return Unavailable("nobody takes profiles");
  }
  ASSIGN_OR_RETURN(
      std::unique_ptr<CpuSampler> sampler,
      CpuSampler::Open(request.mechanism->programs, resources.root, request.filter.pid));
  auto instance = std::make_unique<CpuProfile>(std::move(sampler), request, resources);
  RETURN_IF_ERROR(instance->Start());
  return instance;
}

constexpr std::string_view kPrograms[] = {"cpu_profile_sample"};
constexpr Mechanism kMechanisms[] = {{"perf_event", "", &Open, kPrograms}};

constexpr MetricSource kSources[] = {
    {"huatuo_collector_cpu_profile_", "perf_event of each CPU"},
    {"huatuo_collector_symbols_", "the collector itself"},
};

}  // namespace

extern constexpr Unit kCpuProfile = {
    .name = "cpu_profile",
    .help = "Where CPU time goes: the stacks of what runs, in the kernel and in user code.",
    .metrics = kMetrics,
    .sources = kSources,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 1,
    .profiles = kProfiles,
    .task = true,
};

}  // namespace huatuo
