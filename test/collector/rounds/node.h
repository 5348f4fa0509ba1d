// A node with many containers, and all units that read files, as the collector drives them.
#pragma once

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "collector/enrich/node_context.h"
#include "collector/kernel/sched_probe.h"
#include "collector/self_report.h"
#include "collector/series_gate.h"
#include "test/collector/units/unit_bench.h"

namespace huatuo {

extern const Unit kCpu, kDisk, kMemory, kNetdev, kNetwork, kPressure, kTasks;
inline constexpr const Unit* kFileUnits[] = {&kCpu,     &kDisk,     &kMemory, &kNetdev,
                                             &kNetwork, &kPressure, &kTasks};

// Multiplies the captured container of `tree`: each copy is the only one of its pod, and has a
// network and `tasks` tasks.
inline void AddContainers(const Fixture& tree, int count, int tasks) {
  namespace fs = std::filesystem;
  const auto add_task = [&](int tid) {
    tree.Make(fmt::format("/proc/{}", tid));
    tree.Write(
        fmt::format("/proc/{}/stat", tid),
        fmt::format("{0} (task) S 1 {0} {0} 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 1\n", tid));
  };
  for (int i = 0; i < count; ++i) {
    const int pid = 100'000 + i * 1000;
    const std::string pod = fmt::format(
        "/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/"
        "kubepods-burstable-pod00000000_0000_0000_0000_{:012}.slice",
        i);
    const std::string folder = fmt::format("{}/cri-containerd-{:064x}.scope", pod, i + 1);
    tree.Make(pod);
    fs::copy(tree.Path(kContainerA), tree.Path(folder), fs::copy_options::recursive);
    tree.Write(folder + "/cgroup.procs", fmt::format("{}\n", pid));
    std::string tids;
    for (int t = 0; t < tasks; ++t) {
      add_task(pid + t);
      tids += fmt::format("{}\n", pid + t);
    }
    tree.Write(folder + "/cgroup.threads", tids);
    const std::string process = fmt::format("/proc/{}", pid);
    tree.Make(process + "/ns");
    fs::create_symlink(fmt::format("net:[{}]", 5000 + i), tree.Path(process + "/ns/net"));
    fs::copy(tree.Path("/proc/net"), tree.Path(process + "/net"), fs::copy_options::recursive);
  }
}

class Node {
 public:
  explicit Node(const Root& root, size_t max_per_family = 2000, const MetricRuleTexts& rules = {})
      : containers_(root, clock_),
        symbols_(root, clock_),
        networks_(root, clock_, containers_),
        resources_{root, clock_, context_, sched_, losses, report_},
        gate(series, kFileUnits, *MetricRules::Make(kFileUnits, rules), max_per_family) {
    clock_.Advance(1'000'000'000'000);
    REQUIRE(containers_.Refresh().ok());
    for (const Unit* unit : kFileUnits) Open(*unit);
  }

  // As Housekeeping does it; then the stream takes what is new.
  void Round() {
    clock_.Advance(15'000'000'000);
    for (size_t i = 0; i < units_.size(); ++i) units_[i]->Collect(gate.Turn(i));
    gate.EndRound();
    series.EndRound(clock_.WallNs());
  }
  void CollectOnly(size_t unit) { units_[unit]->Collect(gate.Turn(unit)); }
  size_t containers() { return context_.LiveContainers().size(); }

 private:
  void Open(const Unit& unit) {
    OpenRequest request;
    request.unit = &unit;
    std::vector<uint64_t>& values = parameters_.emplace_back();
    for (const Parameter& parameter : unit.parameters) values.push_back(parameter.default_value);
    request.parameters = values;
    request.mechanism = &unit.mechanisms.back();  // that of files
    auto opened = request.mechanism->open(request, resources_);
    INFO(unit.name);
    REQUIRE(opened.ok());
    units_.push_back(std::move(*opened));
  }

  ManualClock clock_;
  Containers containers_;
  Kallsyms symbols_;
  Networks networks_;
  NodeContext context_{containers_, networks_, symbols_};
  SchedProbeOwner sched_;
  SelfReport report_;
  Resources resources_;
  std::vector<std::vector<uint64_t>> parameters_;
  std::vector<std::unique_ptr<Instance>> units_;

 public:
  Losses losses;
  SeriesWriter series;
  SeriesGate gate;
};

}  // namespace huatuo
