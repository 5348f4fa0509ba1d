// What a round of the units that read files makes, and what it costs.
#include <time.h>

#include <algorithm>

#include "test/collector/rounds/allocations.h"
#include "test/collector/rounds/node.h"

namespace huatuo {
namespace {

constexpr const char* kTree = "v2-systemd-containerd";

// Series of a container that rtnetlink tells, which has no files: those of one device.
size_t SeriesOfOneDevice() {
  return static_cast<size_t>(std::ranges::count_if(kNetdev.metrics, [](const MetricType& metric) {
    return metric.container && !metric.on_request;
  }));
}

double CpuMs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

TEST_CASE("a node with 50 containers has less than 6,000 series by default") {
  const Fixture tree(kTree);
  AddContainers(tree, 50, 5);
  const Root root(tree.folder());
  Node node(root);
  node.Round();
  node.Round();
  const size_t without_devices = node.series.Count().series;
  const size_t series = without_devices + 50 * SeriesOfOneDevice();
  INFO(fmt::format("{} of files, {} with one device a container", without_devices, series));
  // A thousand are left for those that BPF makes.
  CHECK(series < 5000);
  CHECK(series > 50 * 50);
  CHECK(node.gate.Folded().empty());
  CHECK(node.losses.Text().empty());
}

TEST_CASE("what a round allocates is not for its series: five times as many take no more") {
  const Fixture tree(kTree);
  AddContainers(tree, 10, 5);
  const Root root(tree.folder());
  const auto measure = [&](const MetricRuleTexts& rules) {
    Node node(root, 2000, rules);
    for (int i = 0; i < 4; ++i) node.Round();
    const uint64_t before = Allocations();
    node.Round();
    return std::pair(Allocations() - before, node.series.Count().series);
  };
  const auto [few, few_series] = measure({});
  const auto [many, many_series] = measure({.include = {".*"}});
  INFO(fmt::format("{} for {} series, {} for {}", few, few_series, many, many_series));
  CHECK(many_series > 4 * few_series);
  CHECK(many <= few + 10);
}

TEST_CASE("beyond the limit of a family the rest is one series") {
  const Fixture tree(kTree);
  AddContainers(tree, 50, 1);
  const Root root(tree.folder());
  Node node(root, 20);
  node.Round();
  node.Round();
  const auto folded = node.gate.Folded();
  const auto limit =
      std::ranges::find(folded, "huatuo_container_memory_usage_bytes", &FoldedFamily::name);
  REQUIRE(limit != folded.end());
  CHECK(limit->series >= 30);
}

TEST_CASE("[bench] 100 containers, 20,000 tasks", "[.bench]") {
  const Fixture tree(kTree);
  AddContainers(tree, 100, 200);
  const Root root(tree.folder());
  Node node(root);
  for (int i = 0; i < 3; ++i) node.Round();
  std::vector<double> rounds;
  for (int i = 0; i < 21; ++i) {
    const double begin = CpuMs();
    node.Round();
    rounds.push_back(CpuMs() - begin);
  }
  std::ranges::sort(rounds);
  const uint64_t before = Allocations();
  node.Round();
  fmt::print("{} series, {} allocations; CPU ms a round: median {:.1f}, largest {:.1f}\n",
             node.series.Count().series, Allocations() - before, rounds[10], rounds.back());
  for (size_t unit = 0; unit < std::size(kFileUnits); ++unit) {
    const double begin = CpuMs();
    node.CollectOnly(unit);
    fmt::print("  {} {:.2f} ms\n", kFileUnits[unit]->name, CpuMs() - begin);
  }
}

TEST_CASE("[bench] this machine", "[.real]") {
  const Root root;
  Node node(root);
  for (int i = 0; i < 3; ++i) node.Round();
  for (size_t unit = 0; unit < std::size(kFileUnits); ++unit) {
    double best = 1e9;
    for (int i = 0; i < 5; ++i) {
      const double begin = CpuMs();
      node.CollectOnly(unit);
      best = std::min(best, CpuMs() - begin);
    }
    fmt::print("  {} {:.2f} ms\n", kFileUnits[unit]->name, best);
  }
  const double begin = CpuMs();
  node.Round();
  fmt::print("{} containers and services, {} series, {:.1f} ms CPU a round\n{}", node.containers(),
             node.series.Count().series, CpuMs() - begin, node.losses.Text());
}

}  // namespace
}  // namespace huatuo
