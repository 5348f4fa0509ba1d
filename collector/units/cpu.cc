// CPU use of the host and of each container, from procfs and cgroupfs alone.
#include <algorithm>
#include <map>

#include "collector/enrich/hierarchies.h"
#include "collector/instance.h"
#include "collector/procfs/group_folder.h"
#include "collector/unit.h"
#include "collector/units/cpu_files.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

enum Metric : size_t {
  kNodeUsage,
  kNodeSeconds,
  kNodeCores,
  kLoad1,
  kLoad5,
  kLoad15,
  kUsage,
  kSeconds,
  kCores,
  kPeriods,
  kThrottledPeriods,
  kThrottledSeconds,
  kBursts,
  kBurstSeconds,
};

constexpr std::string_view kMode[] = {"mode"};
constexpr auto kCounter = v1::MetricType::COUNTER;
constexpr auto kGauge = v1::MetricType::GAUGE;

constexpr MetricType kMetrics[] = {
    {"huatuo_node_cpu_usage_ratio",
     "Share of the node's CPU time since the last sample that was used, 0 to 1. system: kernel and "
     "interrupts; total: both modes. Stolen time is not used, but part of the whole.",
     kGauge, kMode},
    {"huatuo_node_cpu_seconds_total", "CPU time of all CPUs by mode, as in /proc/stat.", kCounter,
     kMode},
    {"huatuo_node_cpu_cores", "CPUs that are online.", kGauge},
    {"huatuo_node_load1", "Load average over 1 minute.", kGauge},
    {"huatuo_node_load5", "Load average over 5 minutes.", kGauge},
    {"huatuo_node_load15", "Load average over 15 minutes.", kGauge},
    {"huatuo_container_cpu_usage_ratio",
     "CPU time since the last sample as share of the container's own cpu_cores. More than 1 when "
     "it bursts.",
     kGauge, kMode, true},
    {"huatuo_container_cpu_seconds_total", "CPU time of the container by mode: user, system.",
     kCounter, kMode, true},
    {"huatuo_container_cpu_cores",
     "CPUs that the container may use: the least of its quota, its cpuset and what is online.",
     kGauge,
     {},
     true},
    {"huatuo_container_cpu_periods_total",
     "Periods of the quota in which the container ran.",
     kCounter,
     {},
     true},
    {"huatuo_container_cpu_throttled_periods_total",
     "Periods in which the quota ended before the work did.",
     kCounter,
     {},
     true},
    {"huatuo_container_cpu_throttled_seconds_total",
     "Time that the container's run queues were throttled, summed over CPUs.",
     kCounter,
     {},
     true},
    {.name = "huatuo_container_cpu_bursts_total",
     .help = "Periods in which saved-up quota was used.",
     .type = kCounter,
     .container = true,
     .on_request = true},
    {.name = "huatuo_container_cpu_burst_seconds_total",
     .help = "CPU time beyond the quota in bursts.",
     .type = kCounter,
     .container = true,
     .on_request = true},
};

constexpr std::string_view kModes[kCpuModes] = {"user",   "nice", "system",  "idle",
                                                "iowait", "irq",  "softirq", "steal"};

// The kernel's idle and iowait may step back a little, because one CPU reads them of another that
// sleeps. A counter that does would look as if it had begun anew; so the larger value is kept until
// it is reached again. A larger step is a new beginning.
constexpr double kJitterSeconds = 3;

// user and system are the scheduler's total split by ticks: one of them may shrink a little.
double Grown(double now, double before) { return std::max(0.0, now - before); }

class Cpu : public Instance {
 public:
  Cpu(const OpenRequest& request, const Resources& resources)
      : request_(request),
        clock_(resources.clock),
        context_(resources.context),
        sink_(resources.sink),
        files_(resources.root, request, resources.sink) {}

  void Start(const Root& root) {
    // Without cgroups there is still the host.
    hierarchies_ = ReadHierarchies(root).value_or(std::vector<Hierarchy>());
    OnContainers();
  }

  absl::Status SetParameter(size_t, uint64_t) override { return absl::OkStatus(); }

  void OnContainers() override {
    std::map<uint32_t, Group> now;
    for (LiveContainer& live : context_.LiveContainers()) {
      const CpuFolders folders = FoldersOf(live);
      if (folders.cpuacct.path.empty()) continue;
      Group group{std::move(live.container), CpuGroupFiles(folders), {}};
      const auto old = groups_.find(live.subject);
      if (old != groups_.end()) {
        group.before = old->second.before;
        // The folders of one container come one after another.
        if (old->second.files.folders == folders) group.files = std::move(old->second.files);
      }
      now.emplace(live.subject, std::move(group));
    }
    groups_ = std::move(now);
  }

  void Collect(MetricWriter& writer) override {
    if (request_.instance_id != 0) return;
    CollectHost(writer);
    CollectLoad(writer);
    for (auto& [subject, group] : groups_) CollectGroup(group, writer);
  }

 private:
  struct Sample {
    double usage = 0, user = 0, system = 0;
    int64_t boot_ns = 0;  // 0: none
  };
  struct Group {
    v1::Container container;
    CpuGroupFiles files;
    Sample before;
  };

  CpuFolders FoldersOf(const LiveContainer& live) const {
    const auto folder = [&](std::string_view controller) {
      return FolderOf(context_, hierarchies_, live, controller);
    };
    return {folder("cpu"), folder("cpuacct"), folder("cpuset")};
  }

  // False when there is no sample; what should have been one is counted.
  bool Usable(CpuRead read) {
    if (read == CpuRead::kUnreadable) sink_.Lost(request_, "unreadable_file", 1);
    if (read == CpuRead::kMalformed) sink_.Lost(request_, "malformed_file", 1);
    return read == CpuRead::kOk;
  }

  static void Set(MetricWriter& writer, Metric metric, const v1::Container* container,
                  std::optional<double> value) {
    if (value.has_value()) writer.Set(metric, {}, container, *value);
  }

  static void SetMode(MetricWriter& writer, Metric metric, std::string_view mode,
                      const v1::Container* container, double value) {
    writer.Set(metric, {&mode, 1}, container, value);
  }

  void CollectHost(MetricWriter& writer) {
    if (Usable(files_.OnlineCpus(online_))) Set(writer, kNodeCores, nullptr, online_);
    CpuSeconds now{};
    if (!Usable(files_.Host(now))) {
      host_known_ = false;
      return;
    }
    for (size_t mode = 0; mode < kCpuModes; ++mode) {
      const double step_back = host_[mode] - now[mode];
      if (host_known_ && step_back > 0 && step_back < kJitterSeconds) now[mode] = host_[mode];
      SetMode(writer, kNodeSeconds, kModes[mode], nullptr, now[mode]);
    }
    if (host_known_) SetHostUsage(now, writer);
    host_ = now;
    host_known_ = true;
  }

  void SetHostUsage(const CpuSeconds& now, MetricWriter& writer) const {
    CpuSeconds grown{};
    double all = 0;
    for (size_t mode = 0; mode < kCpuModes; ++mode) {
      if (now[mode] < host_[mode]) return;  // counted from the start again
      all += grown[mode] = now[mode] - host_[mode];
    }
    if (all <= 0) return;
    const double user = (grown[kUser] + grown[kNice]) / all;
    const double system = (grown[kSystem] + grown[kIrq] + grown[kSoftirq]) / all;
    SetMode(writer, kNodeUsage, "user", nullptr, user);
    SetMode(writer, kNodeUsage, "system", nullptr, system);
    SetMode(writer, kNodeUsage, "total", nullptr, user + system);
  }

  void CollectLoad(MetricWriter& writer) {
    std::array<double, 3> load{};
    if (!Usable(files_.Load(load))) return;
    Set(writer, kLoad1, nullptr, load[0]);
    Set(writer, kLoad5, nullptr, load[1]);
    Set(writer, kLoad15, nullptr, load[2]);
  }

  void CollectGroup(Group& group, MetricWriter& writer) {
    GroupCpu cpu;
    if (!Usable(files_.Group(group.files, cpu))) {
      group.before = Sample();
      return;
    }
    const v1::Container* const container = &group.container;
    SetMode(writer, kSeconds, "user", container, cpu.user_seconds);
    SetMode(writer, kSeconds, "system", container, cpu.system_seconds);
    Set(writer, kPeriods, container, cpu.periods);
    Set(writer, kThrottledPeriods, container, cpu.throttled_periods);
    Set(writer, kThrottledSeconds, container, cpu.throttled_seconds);
    Set(writer, kBursts, container, cpu.bursts);
    Set(writer, kBurstSeconds, container, cpu.burst_seconds);
    if (online_ <= 0) return;  // never read yet
    const double cores =
        std::min({online_, cpu.quota_cores.value_or(online_), cpu.cpuset_cores.value_or(online_)});
    Set(writer, kCores, container, cores);
    SetGroupUsage(group, cpu, cores, writer);
  }

  void SetGroupUsage(Group& group, const GroupCpu& cpu, double cores, MetricWriter& writer) {
    const Sample before = group.before;
    const Sample now{cpu.usage_seconds, cpu.user_seconds, cpu.system_seconds, clock_.BootNs()};
    group.before = now;
    if (before.boot_ns == 0 || now.boot_ns <= before.boot_ns || now.usage < before.usage) return;
    const double whole = static_cast<double>(now.boot_ns - before.boot_ns) * 1e-9 * cores;
    const v1::Container* const container = &group.container;
    SetMode(writer, kUsage, "user", container, Grown(now.user, before.user) / whole);
    SetMode(writer, kUsage, "system", container, Grown(now.system, before.system) / whole);
    SetMode(writer, kUsage, "total", container, Grown(now.usage, before.usage) / whole);
  }

  const OpenRequest request_;
  const Clock& clock_;
  Context& context_;
  EventSink& sink_;
  CpuFiles files_;
  std::vector<Hierarchy> hierarchies_;
  std::map<uint32_t, Group> groups_;  // by LiveContainer::subject
  double online_ = 0;                 // 0: not known
  CpuSeconds host_{};
  bool host_known_ = false;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  RETURN_IF_ERROR(resources.root.Read("/proc/stat").status());
  auto instance = std::make_unique<Cpu>(request, resources);
  instance->Start(resources.root);
  return instance;
}

constexpr Mechanism kMechanisms[] = {{"procfs", "", &Open}};

constexpr MetricSource kSources[] = {
    {"huatuo_node_load", "/proc/loadavg"},
    {"huatuo_node_cpu_cores", "/sys/devices/system/cpu/online"},
    {"huatuo_node_", "/proc/stat"},
    {"huatuo_container_cpu_cores",
     "cgroup: cpu.max, cpuset.cpus.effective; v1: cpu.cfs_quota_us, cpu.cfs_period_us, "
     "cpuset.effective_cpus"},
    {"huatuo_container_", "cgroup: cpu.stat; v1: also cpuacct.usage, cpuacct.stat"},
};

}  // namespace

extern constexpr Unit kCpu = {
    .name = "cpu",
    .help = "CPU use, quota and throttling of the host and of each container.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
