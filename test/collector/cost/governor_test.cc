#include "collector/cost/governor.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

namespace huatuo {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

constexpr int64_t kHold = 60 * kSecond;

struct Measurement {
  int64_t second;
  double overhead;
};

// Feeds measurements and prints the steps. The programs of runqlat take 0.8% of the node.
std::string Play(Governor& governor, const std::vector<Measurement>& measurements) {
  const std::vector<Governor::Candidate> all = {
      {"oom", 3, 0}, {"self", 0, 0}, {"runqlat", 1, .008}};
  std::string out;
  for (const auto& [second, overhead] : measurements) {
    std::vector<Governor::Candidate> running;
    for (const Governor::Candidate& one : all) {
      bool shed = false;
      for (const std::string& unit : governor.shed()) shed |= unit == one.unit;
      if (!shed) running.push_back(one);
    }
    const auto step = governor.Update(overhead, running, second * kSecond);
    if (!step.has_value()) continue;
    out += fmt::format("{}{}{} ", second, step->shed ? "-" : "+", step->unit);
  }
  return out;
}

// One measurement each ten seconds, from the first to the last.
std::vector<Measurement> Steady(int64_t first, int64_t last, double overhead) {
  std::vector<Measurement> all;
  for (int64_t second = first; second <= last; second += 10) all.push_back({second, overhead});
  return all;
}

TEST_CASE("within the budget nothing happens") {
  Governor governor(0.01, kHold);
  CHECK(Play(governor, {{0, 0.009}, {10, 0.01}, {20, 0.0}}).empty());
}

TEST_CASE("what the start costs is no reason") {
  Governor governor(0.01, kHold);
  CHECK(Play(governor, {{0, 0.5}, {10, 0.02}, {20, 0.02}, {30, 0.001}}).empty());
  Governor busy(0.01, kHold);
  CHECK(Play(busy, Steady(0, 30, 0.02)) == "30-runqlat ");
}

TEST_CASE("a burst of less than three measurements is no reason, however often it comes") {
  Governor governor(0.01, kHold);
  Play(governor, {{0, 0.001}});
  for (int64_t at = 10; at < 3600; at += 30) {
    CHECK(Play(governor, {{at, 0.9}, {at + 10, 0.9}, {at + 20, 0.01}}).empty());
  }
}

TEST_CASE("units go in their order, never those without one") {
  Governor governor(0.01, kHold);
  // The measurement after a step holds what the step cost.
  CHECK(Play(governor, Steady(0, 200, 0.05)) == "30-runqlat 70-oom ");
  CHECK(governor.shed() == std::vector<std::string>{"runqlat", "oom"});
}

TEST_CASE("of units in the same place the costliest goes") {
  Governor governor(0.01, kHold);
  const std::vector<Governor::Candidate> equal = {{"a", 1, .01}, {"b", 1, .03}, {"c", 1, .02}};
  std::optional<Governor::Step> step;
  for (int64_t second = 0; second <= 30; second += 10) {
    step = governor.Update(0.05, equal, second * kSecond);
  }
  REQUIRE(step.has_value());
  CHECK(step->unit == "b");
}

TEST_CASE("tasks that cost something go before all units, and do not come back") {
  Governor governor(0.01, kHold);
  std::vector<Governor::Candidate> running = {{"runqlat", 1, .005},
                                              {"cpu_profile", 1, .004, "cheap"},
                                              {"cpu_profile", 1, .01, "dear"},
                                              {"oom", 3, 0, "free"}};
  std::string out;
  for (int64_t second = 0; second <= 300; second += 10) {
    const auto step = governor.Update(second < 150 ? 0.05 : 0.001, running, second * kSecond);
    if (!step.has_value()) continue;
    out += fmt::format("{}{}{}{} ", second, step->shed ? "-" : "+", step->unit, step->task_id);
    std::erase_if(running, [&](const Governor::Candidate& one) {
      return one.unit == step->unit && one.task_id == step->task_id;
    });
  }
  CHECK(out == "30-cpu_profiledear 70-cpu_profilecheap 110-runqlat 170+runqlat ");
  CHECK(governor.shed().empty());
}

TEST_CASE("the last that went comes first, when the hold time is over") {
  Governor governor(0.01, kHold);
  Play(governor, Steady(0, 70, 0.05));
  // 60 s after oom went; runqlat does not fit before 0.8% are free below 0.7%.
  CHECK(Play(governor, Steady(80, 300, 0.001)) == "130+oom ");
}

TEST_CASE("a unit that fits by what it cost comes back after its hold time, doubled each time") {
  Governor governor(0.02, kHold);
  CHECK(Play(governor, Steady(0, 30, 0.03)) == "30-runqlat ");
  CHECK(Play(governor, Steady(40, 90, 0.005)) == "90+runqlat ");
  CHECK(Play(governor, Steady(100, 130, 0.03)) == "130-runqlat ");
  CHECK(Play(governor, Steady(140, 250, 0.005)) == "250+runqlat ");
  // More than 70% of the budget: no room for it.
  CHECK(Play(governor, Steady(260, 290, 0.03)) == "290-runqlat ");
  CHECK(Play(governor, Steady(300, 1000, 0.0065)).empty());
  CHECK(Play(governor, Steady(1010, 1020, 0.0055)) == "1010+runqlat ");
}

TEST_CASE("a unit that would not fit by the old figure is tried after ten hold times") {
  Governor governor(0.01, kHold);
  CHECK(Play(governor, Steady(0, 1000, 0.012)) == "30-runqlat 70-oom ");
  CHECK(Play(governor, Steady(1010, 1030, 0.001)) == "1010+oom 1030+runqlat ");
}

TEST_CASE("a unit that stayed for an hour begins with the shortest hold time again") {
  Governor governor(0.02, kHold);
  Play(governor, Steady(0, 30, 0.03));
  CHECK(Play(governor, Steady(40, 90, 0.005)) == "90+runqlat ");
  CHECK(Play(governor, Steady(100, 4000, 0.005)).empty());
  CHECK(Play(governor, Steady(4010, 4030, 0.03)) == "4030-runqlat ");
  CHECK(Play(governor, Steady(4040, 4090, 0.005)) == "4090+runqlat ");
}

}  // namespace
}  // namespace huatuo
