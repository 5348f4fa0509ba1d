#include "collector/metric_rules.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "collector/catalog.h"
#include "common/status.h"

namespace huatuo {
namespace {

constexpr std::string_view kDevice[] = {"device"};
constexpr MetricType kMetrics[] = {
    {"huatuo_node_netdev_up", "", v1::MetricType::GAUGE, kDevice},
    {"huatuo_node_load1", "", v1::MetricType::GAUGE},
    {.name = "huatuo_node_vmstat_nr_dirty", .help = "", .on_request = true},
};
constexpr Unit kUnit = {.name = "x", .help = "", .metrics = kMetrics};
constexpr const Unit* kUnits[] = {&kUnit};

std::string Print(const MetricRuleTexts& texts) {
  auto rules = MetricRules::Make(kUnits, texts);
  if (!rules.ok()) return Message(rules.status());
  std::string out;
  for (const std::string_view device : {"eth0", "eth1", "veth1234"}) {
    if (rules->Sends(0, 0, {&device, 1})) out += fmt::format("{} ", device);
  }
  if (rules->Sends(0, 1, {})) out += "load1 ";
  if (rules->Sends(0, 2, {})) out += "nr_dirty ";
  return out;
}

TEST_CASE("without rules: no devices of containers, nothing that is on request") {
  CHECK(Print({}) == "eth0 eth1 load1 ");
}

TEST_CASE("rules of families and of labels; include wins") {
  CHECK(Print({.exclude = {"huatuo_node_load.*"}}) == "eth0 eth1 ");
  CHECK(Print({.include = {"huatuo_node_vmstat_nr_.*"}}) == "eth0 eth1 load1 nr_dirty ");
  CHECK(Print({.exclude = {".*{device=eth0}"}}) == "eth1 load1 ");
  CHECK(Print({.include = {".*{device=veth.*}"}}) == "eth0 eth1 veth1234 load1 ");
  CHECK(Print({.include = {".*{device=eth0}"}, .exclude = {".*"}}) == "eth0 ");
  CHECK(Print({.include = {".*{device=eth.}"}, .exclude = {".*{device=eth0}"}}) ==
        "eth0 eth1 load1 ");
  CHECK(Print({.include = {".*"}}) == "eth0 eth1 veth1234 load1 nr_dirty ");
  CHECK(Print({.exclude = {"huatuo_[a-z]{4}_load1"}}) == "eth0 eth1 ");
  CHECK(Print({.exclude = {".*_up{device=eth[0-9]{1}}"}}) == "load1 ");
  // The whole name, not a part of it.
  CHECK(Print({.exclude = {"huatuo_node_.*", "huatuo_node_load1"}}) == "");
}

TEST_CASE("a family is sent when one of its series may be") {
  const auto any = [](const MetricRuleTexts& texts) {
    std::string out;
    const auto rules = MetricRules::Make(kUnits, texts);
    for (size_t metric = 0; metric < std::size(kMetrics); ++metric) {
      out += rules->SendsAny(0, metric) ? '1' : '0';
    }
    return out;
  };
  CHECK(any({}) == "110");
  CHECK(any({.exclude = {".*_up", "huatuo_node_load1"}}) == "000");
  CHECK(any({.exclude = {".*_up{device=eth0}"}}) == "110");
  CHECK(any({.include = {".*_up{device=eth0}"}, .exclude = {".*"}}) == "100");
  CHECK(any({.include = {".*_nr_dirty"}}) == "111");
}

TEST_CASE("a rule that cannot be meant is refused, naming it") {
  CHECK(Print({.exclude = {"load1"}}) ==
        "metrics.exclude: \"load1\": names no metric of docs/units.md");
  CHECK(Print({.include = {"huatuo_node_load1{device=x}"}}) ==
        "metrics.include: \"huatuo_node_load1{device=x}\": names no metric of docs/units.md with "
        "that label");
  CHECK(Print({.include = {"("}}) == "metrics.include: \"(\": missing ): (");
  CHECK(Print({.exclude = {".*{device=*}"}}) ==
        "metrics.exclude: \"*\": no argument for repetition operator: *");
}

TEST_CASE("the default excludes name metrics of this build") {
  const MetricRuleTexts texts{.exclude = {kDefaultExcludes.begin(), kDefaultExcludes.end()}};
  CHECK(MetricRules::Make(AllUnits(), texts).ok());
}

}  // namespace
}  // namespace huatuo
