#include "collector/series_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

namespace huatuo {
namespace {

constexpr std::string_view kDevice[] = {"device"};
constexpr MetricType kMetrics[] = {
    {"huatuo_node_x_total", "", v1::MetricType::COUNTER, kDevice},
    {"huatuo_container_y", "", v1::MetricType::GAUGE, {}, true},
    {"huatuo_node_z_ratio", "", v1::MetricType::GAUGE, kDevice},
    {"huatuo_node_h_seconds", "", v1::MetricType::HISTOGRAM, kDevice, false, 1, 2},
    {.name = "huatuo_node_r", .help = "", .on_request = true},
};
constexpr Unit kUnit = {.name = "x", .help = "", .metrics = kMetrics};
constexpr const Unit* kUnits[] = {&kUnit};
enum : size_t { kX, kY, kZ, kH, kR };
constexpr size_t kSkip[] = {12, 17, 12, 12};  // what their names begin with

// A gate that lets two series of each family pass, and what a server would hold.
struct Bench {
  SeriesWriter series;
  SeriesGate gate{series, kUnits, *MetricRules::Make(kUnits, {}), 2};
  std::map<uint32_t, std::string> names;
  std::map<std::string, double> held;

  MetricWriter& Turn() { return gate.Turn(0); }
  void X(MetricWriter& writer, std::string_view device, double value) {
    writer.Set(kX, {&device, 1}, nullptr, value);
  }
  // Ends the round: all that the server has now.
  std::string Round() {
    gate.EndRound();
    series.EndRound(1);
    for (const v1::MetricBatch& batch : series.Take()) {
      for (const uint32_t id : batch.end()) held.erase(names[id]);
      for (const v1::SeriesAnnounce& a : batch.announce()) {
        std::string labels = a.container().id();
        for (const std::string& label : a.label_values()) labels += label;
        names[a.id()] =
            fmt::format("{}{{{}}}", kMetrics[a.metric()].name.substr(kSkip[a.metric()]), labels);
      }
      for (int i = 0; i < batch.samples().ids_size(); ++i) {
        held[names[batch.samples().ids(i)]] = batch.samples().values(i);
      }
      for (const auto& h : batch.samples().histograms()) held[names[h.id()]] = h.sum();
    }
    std::string text;
    for (const auto& [name, value] : held) text += fmt::format("{}={} ", name, value);
    return text;
  }
  std::string Folded() const {
    std::string text;
    for (const FoldedFamily& family : gate.Folded()) {
      text += fmt::format("{} {};", family.name, family.series);
    }
    return text;
  }
};

TEST_CASE("counters beyond the limit are one series of their increases, which never goes back") {
  Bench bench;
  MetricWriter& first = bench.Turn();
  bench.X(first, "a", 1);
  bench.X(first, "b", 2);
  bench.X(first, "c", 10);
  bench.X(first, "d", 20);
  CHECK(bench.Round() == "x_total{a}=1 x_total{b}=2 x_total{~other}=30 ");
  CHECK(bench.Folded() == "huatuo_node_x_total 2;");
  // In another order; d began anew.
  MetricWriter& second = bench.Turn();
  bench.X(second, "d", 5);
  bench.X(second, "c", 11);
  bench.X(second, "b", 3);
  bench.X(second, "a", 1);
  CHECK(bench.Round() == "x_total{a}=1 x_total{b}=3 x_total{~other}=36 ");
  // b went, so that there is room in the next round; what was counted of d stays.
  for (int round = 0; round < 2; ++round) {
    MetricWriter& writer = bench.Turn();
    bench.X(writer, "d", 6);
    bench.X(writer, "a", 1);
    bench.Round();
  }
  CHECK(bench.Folded().empty());
  CHECK(fmt::format("{}", bench.held["x_total{~other}"]) == "37");
  CHECK(fmt::format("{}", bench.held["x_total{d}"]) == "6");
}

TEST_CASE("gauges are summed, of ratios the largest counts, histograms are only counted") {
  Bench bench;
  for (int round = 0; round < 3; ++round) {
    MetricWriter& writer = bench.Turn();
    for (const char* id : {"c1", "c2", "c3", "c4"}) {
      v1::Container container;
      container.set_id(id);
      writer.Set(kY, {}, &container, 5);
    }
    for (const std::string_view device : {"a", "b", "c", "d"}) {
      writer.Set(kZ, {&device, 1}, nullptr, device == "c" ? 0.75 : 0.5);
      const uint64_t cumulative[] = {1, 2, 3};
      writer.SetHistogram(kH, {&device, 1}, nullptr, cumulative, 4, 0);
    }
    CHECK(bench.Round() ==
          "h_seconds{a}=4 h_seconds{b}=4 y{c1}=5 y{c2}=5 y{~other}=10 "
          "z_ratio{a}=0.5 z_ratio{b}=0.5 z_ratio{~other}=0.75 ");
    CHECK(bench.Folded() == "huatuo_container_y 2;huatuo_node_z_ratio 2;huatuo_node_h_seconds 2;");
  }
  bench.Turn();
  CHECK(bench.Round().empty());
  CHECK(bench.Folded().empty());
}

TEST_CASE("a unit learns what it need not read") {
  Bench bench;
  const MetricWriter& writer = bench.Turn();
  CHECK(writer.Wants(kX));
  CHECK_FALSE(writer.Wants(kR));
}

TEST_CASE("a unit that has no turn keeps its series and what was folded") {
  Bench bench;
  MetricWriter& writer = bench.Turn();
  for (const char* device : {"a", "b", "c"}) bench.X(writer, device, 7);
  const std::string before = bench.Round();
  CHECK(bench.Round() == before);
  MetricWriter& again = bench.Turn();
  for (const char* device : {"a", "b", "c"}) bench.X(again, device, 8);
  CHECK(bench.Round() == "x_total{a}=8 x_total{b}=8 x_total{~other}=8 ");
}

}  // namespace
}  // namespace huatuo
