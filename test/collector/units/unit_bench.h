// One metric unit over a copy of a captured tree that the test changes, and a clock that it moves.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <string>

#include "collector/enrich/node_context.h"
#include "collector/kernel/sched_probe.h"
#include "collector/self_report.h"
#include "test/collector/enrich/fixture.h"
#include "test/collector/units/metric_lines.h"

namespace huatuo {

class Losses : public EventSink {
 public:
  void Emit(const OpenRequest&, size_t, std::shared_ptr<const void>) override {}
  void Lost(const OpenRequest&, std::string_view cause, uint64_t count) override {
    lost_[std::string(cause)] += count;
  }
  std::string Text() const {
    std::string text;
    for (const auto& [cause, count] : lost_) text += fmt::format("{} {}\n", cause, count);
    return text;
  }

 private:
  std::map<std::string, uint64_t> lost_;
};

struct UnitBench {
  static constexpr int64_t kSecond = 1'000'000'000;

  UnitBench(const Unit& declared, const std::string& name)
      : declared(declared),
        tree(name),
        root(tree.folder()),
        containers(root, clock),
        symbols(root, clock) {
    clock.Advance(1000 * kSecond);
    CHECK(containers.Refresh().ok());
    for (const Parameter& parameter : declared.parameters) {
      parameters.push_back(parameter.default_value);
    }
  }

  // The tree may be changed before. Takes the last mechanism: that of files.
  void Open() {
    OpenRequest request;
    request.unit = &declared;
    request.mechanism = &declared.mechanisms.back();
    request.parameters = parameters;
    auto opened = request.mechanism->open(request, resources);
    REQUIRE(opened.ok());
    unit = std::move(*opened);
  }

  MetricLines Round() {
    if (unit == nullptr) Open();
    clock.Advance(10 * kSecond);
    MetricLines lines(declared);
    unit->Collect(lines);
    return lines;
  }

  // What came and went in the tree becomes known.
  void FindContainers() {
    clock.Advance(60 * kSecond);
    CHECK(containers.Refresh().ok());
    unit->OnContainers();
  }

  const Unit& declared;
  Fixture tree;
  Root root;
  ManualClock clock;
  Containers containers;
  Kallsyms symbols;
  Networks networks{root, clock, containers};
  NodeContext context{containers, networks, symbols};
  Losses losses;
  SchedProbeOwner sched;
  SelfReport report;
  Resources resources{root, clock, context, sched, losses, report};
  std::vector<uint64_t> parameters;
  std::unique_ptr<Instance> unit;
};

// The containers of the captured trees.
inline const std::string kPodFolder =
    "/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/"
    "kubepods-burstable-pod0a1b2c3d_0000_1111_2222_333344445555.slice/";
inline const std::string kContainerA =
    kPodFolder +
    "cri-containerd-a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1.scope";
inline const std::string kContainerB =
    kPodFolder +
    "cri-containerd-b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2.scope";

}  // namespace huatuo
