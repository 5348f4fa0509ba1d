// How many tasks are in which state, the load of containers, and what tasks cost the host: switches
// and forks.
#include <algorithm>
#include <cmath>

#include "collector/enrich/hierarchies.h"
#include "collector/procfs/scan.h"
#include "collector/units/tasks_iterator.h"
#include "collector/units/tasks_sweep.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

enum Metric : size_t {
  kNodeTasks,
  kContainerTasks,
  kContextSwitches,
  kForks,
  kLoad1,
  kLoad5,
  kLoad15,
};

constexpr std::string_view kStateLabel[] = {"state"};

constexpr MetricType kMetrics[] = {
    {"huatuo_node_tasks",
     "Tasks by state: running (on a CPU or waiting for one), uninterruptible, sleeping, stopped; "
     "iowait are those of the uninterruptible that wait for a disk.",
     v1::MetricType::GAUGE, kStateLabel},
    {"huatuo_container_tasks",
     "Tasks of the container by state: running (on a CPU or waiting for one), uninterruptible, "
     "sleeping, stopped; iowait are those of the uninterruptible that wait for a disk.",
     v1::MetricType::GAUGE, kStateLabel, true},
    {"huatuo_node_context_switches_total", "Context switches of all CPUs.",
     v1::MetricType::COUNTER},
    {"huatuo_node_forks_total", "Tasks that were made.", v1::MetricType::COUNTER},
    {"huatuo_container_load1",
     "Running and uninterruptible tasks of the container, a sample each round, averaged over 1 "
     "minute as the kernel does for the host.",
     v1::MetricType::GAUGE,
     {},
     true},
    {.name = "huatuo_container_load5",
     .help = "The same over 5 minutes.",
     .type = v1::MetricType::GAUGE,
     .container = true,
     .on_request = true},
    {.name = "huatuo_container_load15",
     .help = "The same over 15 minutes.",
     .type = v1::MetricType::GAUGE,
     .container = true,
     .on_request = true},
};

enum ParameterIndex : size_t { kSweepBudget };

constexpr Parameter kParameters[] = {
    {.name = "sweep_cpu_ns",
     .help = "By procfs: CPU time a round for reading states; about 2,000 tasks in 10 ms. What "
             "does not "
             "fit is read in the next rounds, and shown when all have been read.",
     .unit = "ns",
     .default_value = 10'000'000,
     .minimum = 100'000,
     .maximum = 10'000'000'000},
};

// The keys of /proc/stat that are one number of the whole machine.
struct HostCounts {
  std::optional<double> switches, forks, running, blocked;
};
std::optional<HostCounts> ParseStat(std::string_view text) {
  HostCounts counts;
  const std::pair<std::string_view, std::optional<double>*> wanted[] = {
      {"ctxt", &counts.switches},
      {"processes", &counts.forks},
      {"procs_running", &counts.running},
      {"procs_blocked", &counts.blocked}};
  while (!text.empty()) {
    auto line = Line(text);
    if (!line) return std::nullopt;
    const std::string_view key = Word(*line);
    for (const auto& [name, value] : wanted) {
      if (name == key && !(*value = ParseCount(Word(*line)))) return std::nullopt;
    }
  }
  return counts;
}

// Over 1, 5 and 15 minutes, in the order of the metrics.
constexpr double kLoadSeconds[] = {60, 300, 900};
using Load = std::array<double, std::size(kLoadSeconds)>;

class Tasks : public Instance {
 public:
  Tasks(const OpenRequest& request, const Resources& resources)
      : clock_(resources.clock),
        context_(resources.context),
        files_(resources.root, request, resources.sink),
        budget_ns_(static_cast<int64_t>(request.parameters[kSweepBudget])) {}

  void Start(std::unique_ptr<TaskCounter> counter) {
    counter_ = std::move(counter);
    OnContainers();
  }
  FileReader& files() { return files_; }

  absl::Status SetParameter(size_t, uint64_t value) override {
    budget_ns_ = static_cast<int64_t>(value);
    return absl::OkStatus();
  }

  void OnContainers() override {
    const std::vector<LiveContainer> live = context_.LiveContainers();
    std::map<uint32_t, Group> now;
    for (const LiveContainer& one : live) {
      const auto old = groups_.find(one.subject);
      now[one.subject] = {one.container, old == groups_.end() ? Load{} : old->second.load};
    }
    groups_ = std::move(now);
    counter_->SetContainers(live);
  }

  void Collect(MetricWriter& writer) override {
    counter_->Count(budget_ns_);
    const int64_t now_ns = clock_.BootNs();
    const double seconds = sampled_ns_ == 0 ? 0 : static_cast<double>(now_ns - sampled_ns_) * 1e-9;
    sampled_ns_ = now_ns;
    for (const auto& [owner, counts] : counter_->counts()) {
      if (owner == TaskCounter::kHost) {
        SetStates(counts, kNodeTasks, nullptr, writer);
      } else if (const auto it = groups_.find(owner); it != groups_.end()) {
        SetStates(counts, kContainerTasks, &it->second.container, writer);
        SetLoad(counts, seconds, it->second, writer);
      }
    }
    CollectStat(writer);
  }

  void AddPrograms(std::vector<ProgramRef>& programs) const override {
    counter_->AddPrograms(programs);
  }
  uint64_t MapBytes() const override { return counter_->MapBytes(); }

 private:
  struct Group {
    v1::Container container;
    Load load{};
  };

  void SetStates(const TaskCounts& counts, Metric metric, const v1::Container* container,
                 MetricWriter& writer) const {
    for (size_t state = 0; state < TASKS_STATES; ++state) {
      const bool io = state == TASKS_IOWAIT;
      // Of the host /proc/stat tells both: of this moment, not of some time ago.
      if (container == nullptr && (io || state == TASKS_RUNNING)) continue;
      if (io && !counter_->knows_iowait()) continue;
      writer.Set(metric, {&kTaskStates[state], 1}, container, counts[state]);
    }
  }

  static void SetLoad(const TaskCounts& counts, double seconds, Group& group,
                      MetricWriter& writer) {
    const double active = counts[TASKS_RUNNING] + counts[TASKS_UNINTERRUPTIBLE];
    for (size_t i = 0; i < std::size(kLoadSeconds); ++i) {
      const double kept = std::exp(-seconds / kLoadSeconds[i]);
      group.load[i] = group.load[i] * kept + active * (1 - kept);
      writer.Set(kLoad1 + i, {}, &group.container, group.load[i]);
    }
  }

  void CollectStat(MetricWriter& writer) {
    const auto text = files_.Read(stat_);
    if (!text) return;
    const auto counts = ParseStat(*text);
    if (!counts) return files_.CountMalformed();
    if (counts->switches) writer.Set(kContextSwitches, {}, nullptr, *counts->switches);
    if (counts->forks) writer.Set(kForks, {}, nullptr, *counts->forks);
    if (counts->running)
      writer.Set(kNodeTasks, {&kTaskStates[TASKS_RUNNING], 1}, nullptr, *counts->running);
    if (counts->blocked)
      writer.Set(kNodeTasks, {&kTaskStates[TASKS_IOWAIT], 1}, nullptr, *counts->blocked);
  }

  const Clock& clock_;
  Context& context_;
  FileReader files_;
  std::unique_ptr<TaskCounter> counter_;
  KeptFile stat_{"/proc/stat"};
  std::map<uint32_t, Group> groups_;  // by LiveContainer::subject
  int64_t budget_ns_;
  int64_t sampled_ns_ = 0;  // 0: never
};

absl::StatusOr<std::unique_ptr<Instance>> OpenIterator(const OpenRequest& request,
                                                       const Resources& resources) {
  ASSIGN_OR_RETURN(std::unique_ptr<TaskCounter> counter, OpenTaskIterator(request, resources));
  auto instance = std::make_unique<Tasks>(request, resources);
  instance->Start(std::move(counter));
  return instance;
}

// Every hierarchy has all tasks; v2 is the one that stays.
absl::StatusOr<std::unique_ptr<Instance>> OpenFiles(const OpenRequest& request,
                                                    const Resources& resources) {
  ASSIGN_OR_RETURN(std::vector<Hierarchy> hierarchies, ReadHierarchies(resources.root));
  // On a hybrid host v1 names the containers, and v2 may be empty.
  const auto memory = std::ranges::find_if(
      hierarchies, [](const Hierarchy& hierarchy) { return hierarchy.Has("memory"); });
  const Hierarchy swept = memory != hierarchies.end() ? *memory : hierarchies.front();
  auto instance = std::make_unique<Tasks>(request, resources);
  instance->Start(std::make_unique<TaskSweep>(instance->files(), resources.context,
                                              std::move(hierarchies), swept));
  return instance;
}

constexpr std::string_view kIterator[] = {"tasks_sweep"};
constexpr Mechanism kMechanisms[] = {
    {"iterator", "", &OpenIterator, kIterator},
    {"procfs",
     "states of this moment where there are many tasks: they are read in turns; iowait of "
     "containers",
     &OpenFiles}};

constexpr MetricSource kSources[] = {
    {"huatuo_node_tasks", "BPF iterator, or /proc/TID/stat of each task"},
    {"huatuo_container_", "BPF iterator, or /proc/TID/stat of each task"},
    {"", "/proc/stat"},
};

}  // namespace

extern constexpr Unit kTasks = {
    .name = "tasks",
    .help = "Tasks of the host and of each container by state, load, context switches and forks.",
    .metrics = kMetrics,
    .sources = kSources,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
