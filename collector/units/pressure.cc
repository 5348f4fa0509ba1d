// Pressure stall information: how long tasks waited for want of a resource.
#include <unistd.h>

#include "collector/enrich/hierarchies.h"
#include "collector/procfs/file_reader.h"
#include "collector/procfs/group_folder.h"
#include "collector/procfs/scan.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

enum Metric : size_t { kNode, kContainer };

constexpr std::string_view kLabels[] = {"resource", "tasks"};

constexpr MetricType kMetrics[] = {
    {"huatuo_node_pressure_seconds_total",
     "Time in which tasks waited for the resource; tasks=some: at least one, tasks=full: all that "
     "had something to do. irq: time taken by interrupts.",
     v1::MetricType::COUNTER, kLabels},
    {"huatuo_container_pressure_seconds_total",
     "Time in which tasks of the container waited for the resource; tasks=some: at least one, "
     "tasks=full: all that had something to do. From cgroup v2.",
     v1::MetricType::COUNTER, kLabels, true},
};

// irq is there from Linux 6.1, if interrupts are accounted for. A file that the host does not have
// no cgroup has either.
constexpr std::string_view kResources[] = {"cpu", "memory", "io", "irq"};
using Files = std::array<std::optional<KeptFile>, std::size(kResources)>;

struct Stall {
  std::string_view tasks;
  double seconds;
};

// "some avg10=0.00 avg60=0.00 avg300=0.00 total=171541946": microseconds.
std::optional<Stall> ParseStall(std::string_view line) {
  constexpr std::string_view kTotal = "total=";
  const std::string_view tasks = Word(line);
  if (tasks != "some" && tasks != "full") return std::nullopt;
  std::string_view word = Word(line);
  while (!word.empty() && !word.starts_with(kTotal)) word = Word(line);
  uint64_t micros = 0;
  if (word.empty() || !ParseNumber(word.substr(kTotal.size()), micros)) return std::nullopt;
  return Stall{tasks, static_cast<double>(micros) * 1e-6};
}

class Pressure : public Instance {
 public:
  Pressure(const OpenRequest& request, const Resources& resources)
      : context_(resources.context),
        files_(resources.root, request, resources.sink),
        hierarchies_(ReadHierarchies(resources.root).value_or(std::vector<Hierarchy>())) {
    for (size_t i = 0; i < host_.size(); ++i) {
      const std::string path = "/proc/pressure/" + std::string(kResources[i]);
      if (access(resources.root.Path(path).c_str(), F_OK) == 0) {
        host_[i].emplace(path, Presence::kOptional);
      }
    }
    OnContainers();
  }

  absl::Status SetParameter(size_t, uint64_t) override { return absl::OkStatus(); }

  void OnContainers() override {
    RenewGroups(context_, groups_, [this](const LiveContainer& live) { return MakeGroup(live); });
  }

  void Collect(MetricWriter& writer) override {
    CollectFiles(host_, kNode, nullptr, writer);
    for (auto& [subject, group] : groups_) {
      CollectFiles(group.files, kContainer, &group.container, writer);
    }
  }

 private:
  struct Group {
    v1::Container container;
    Files files;
  };

  std::optional<Group> MakeGroup(const LiveContainer& live) const {
    const GroupFolder folder = FolderOf(context_, hierarchies_, live, "");
    if (folder.path.empty()) return std::nullopt;
    Group group{live.container, {}};
    for (size_t i = 0; i < group.files.size(); ++i) {
      if (!host_[i]) continue;
      group.files[i].emplace(folder.path + "/" + std::string(kResources[i]) + ".pressure",
                             Presence::kOptional);
    }
    return group;
  }

  void CollectFiles(Files& files, Metric metric, const v1::Container* container,
                    MetricWriter& writer) {
    for (size_t i = 0; i < files.size(); ++i) {
      if (!files[i]) continue;
      auto text = files_.Read(*files[i]);
      if (!text) continue;
      const auto first = Line(*text);
      const auto some = first ? ParseStall(*first) : std::nullopt;
      // irq has one line alone; so has the host's cpu before Linux 5.13.
      const auto second = Line(*text);
      const auto full = second ? ParseStall(*second) : std::nullopt;
      if (!some || second.has_value() != full.has_value() || !text->empty()) {
        files_.CountMalformed();
        continue;
      }
      Set(writer, metric, kResources[i], container, *some);
      if (full) Set(writer, metric, kResources[i], container, *full);
    }
  }

  static void Set(MetricWriter& writer, Metric metric, std::string_view resource,
                  const v1::Container* container, const Stall& stall) {
    const std::string_view labels[] = {resource, stall.tasks};
    writer.Set(metric, labels, container, stall.seconds);
  }

  Context& context_;
  FileReader files_;
  const std::vector<Hierarchy> hierarchies_;
  Files host_;
  std::map<uint32_t, Group> groups_;  // by LiveContainer::subject
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  RETURN_IF_ERROR(resources.root.Read("/proc/pressure/memory").status());
  return std::make_unique<Pressure>(request, resources);
}

constexpr Mechanism kMechanisms[] = {{"procfs", "", &Open}};

constexpr MetricSource kSources[] = {
    {"huatuo_node_", "/proc/pressure: cpu, memory, io, irq"},
    {"huatuo_container_", "cgroup: cpu.pressure, memory.pressure, io.pressure, irq.pressure"},
};

}  // namespace

extern constexpr Unit kPressure = {
    .name = "pressure",
    .help = "Pressure stall information of the host and of each container.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
