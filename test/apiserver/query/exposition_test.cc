#include "apiserver/query/exposition.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "apiserver/query/own_family.h"

namespace huatuo {
namespace {

constexpr int64_t kTime = 1'795'000'000'250'000'000;
constexpr int64_t kStart = 1'794'999'999'000'000'000;

std::string Render(ExpositionFormat format) {
  Exposition exposition(format);
  exposition.Begin({"a_total", "With \\ and \"quotes\"\nand a line.", v1::MetricType::COUNTER, {}});
  exposition.Add({"node=\"n\"", 3, {}, 0, kStart, kTime});
  exposition.Begin({"empty", "No series.", v1::MetricType::GAUGE, {}});
  exposition.Begin({"b_ratio", "A gauge.", v1::MetricType::GAUGE, {}});
  exposition.Add({"", std::nan(""), {}, 0, 0, kTime});
  exposition.Add({"node=\"n\"", 0.1, {}, 0, 0, kTime});
  exposition.Begin({"c_Words", "As the kernel says.", v1::MetricType::UNTYPED, {}});
  exposition.Add({"node=\"n\"", -HUGE_VAL, {}, 0, 0, 0});
  exposition.Begin({"d_seconds", "Waits.", v1::MetricType::HISTOGRAM, {0.5, 1}});
  const uint64_t cumulative[] = {1, 2, 4};
  exposition.Add({"node=\"n\"", 0, cumulative, 7.5, kStart, kTime});
  prometheus::MetricFamily own{"own_total", "Ours.", prometheus::MetricType::Counter, {}};
  own.metric.emplace_back();
  own.metric[0].label = {{"code", "a\"b"}};
  own.metric[0].counter.value = 5;
  const OwnFamily ours = ToOwnFamily(own);
  exposition.Begin(ours.family);
  exposition.Add(ours.series.at(0).view());
  std::string text;
  exposition.Finish(text);
  return text;
}

TEST_CASE("text 0.0.4") {
  CHECK(Render(ExpositionFormat::kText) == R"(# HELP a_total With \\ and "quotes"\nand a line.
# TYPE a_total counter
a_total{node="n"} 3 1795000000250
# HELP b_ratio A gauge.
# TYPE b_ratio gauge
b_ratio NaN 1795000000250
b_ratio{node="n"} 0.1 1795000000250
# HELP c_Words As the kernel says.
# TYPE c_Words untyped
c_Words{node="n"} -Inf
# HELP d_seconds Waits.
# TYPE d_seconds histogram
d_seconds_bucket{node="n",le="0.5"} 1 1795000000250
d_seconds_bucket{node="n",le="1"} 2 1795000000250
d_seconds_bucket{node="n",le="+Inf"} 4 1795000000250
d_seconds_sum{node="n"} 7.5 1795000000250
d_seconds_count{node="n"} 4 1795000000250
# HELP own_total Ours.
# TYPE own_total counter
own_total{code="a\"b"} 5
)");
}

TEST_CASE("OpenMetrics 1.0") {
  CHECK(Render(ExpositionFormat::kOpenMetrics) == R"(# HELP a With \\ and \"quotes\"\nand a line.
# TYPE a counter
a_total{node="n"} 3 1795000000.250
a_created{node="n"} 1794999999.000 1795000000.250
# HELP b_ratio A gauge.
# TYPE b_ratio gauge
b_ratio NaN 1795000000.250
b_ratio{node="n"} 0.1 1795000000.250
# HELP c_Words As the kernel says.
# TYPE c_Words unknown
c_Words{node="n"} -Inf
# HELP d_seconds Waits.
# TYPE d_seconds histogram
d_seconds_bucket{node="n",le="0.5"} 1 1795000000.250
d_seconds_bucket{node="n",le="1.0"} 2 1795000000.250
d_seconds_bucket{node="n",le="+Inf"} 4 1795000000.250
d_seconds_sum{node="n"} 7.5 1795000000.250
d_seconds_count{node="n"} 4 1795000000.250
d_seconds_created{node="n"} 1794999999.000 1795000000.250
# HELP own Ours.
# TYPE own counter
own_total{code="a\"b"} 5
# EOF
)");
}

TEST_CASE("OpenMetrics names an event where a series has one") {
  const Exemplar exemplars[] = {{"", 0, 0}, {"01a1-b", 0.75, kTime}, {"01a1-c", 2, kTime}};
  const uint64_t cumulative[] = {1, 2, 4};
  const auto render = [&](ExpositionFormat format) {
    Exposition exposition(format);
    exposition.Begin({"d_seconds", "Waits.", v1::MetricType::HISTOGRAM, {0.5, 1}});
    exposition.Add({"node=\"n\"", 0, cumulative, 7.5, 0, kTime, exemplars});
    exposition.Begin({"e_total", "Waits.", v1::MetricType::COUNTER, {}});
    exposition.Add({"node=\"n\"", 3, {}, 0, 0, 0, {&exemplars[1], 1}});
    std::string text;
    exposition.Finish(text);
    return text;
  };
  CHECK(render(ExpositionFormat::kText).find("01a1") == std::string::npos);
  CHECK(render(ExpositionFormat::kOpenMetrics) == R"(# HELP d_seconds Waits.
# TYPE d_seconds histogram
d_seconds_bucket{node="n",le="0.5"} 1 1795000000.250
d_seconds_bucket{node="n",le="1.0"} 2 1795000000.250 # {event_id="01a1-b"} 0.75 1795000000.250
d_seconds_bucket{node="n",le="+Inf"} 4 1795000000.250 # {event_id="01a1-c"} 2 1795000000.250
d_seconds_sum{node="n"} 7.5 1795000000.250
d_seconds_count{node="n"} 4 1795000000.250
# HELP e Waits.
# TYPE e counter
e_total{node="n"} 3 # {event_id="01a1-b"} 0.75 1795000000.250
# EOF
)");
}

TEST_CASE("the format follows Accept") {
  const auto open_metrics = [](std::string_view accept) {
    return NegotiateExposition(accept) == ExpositionFormat::kOpenMetrics;
  };
  CHECK_FALSE(open_metrics(""));
  CHECK_FALSE(open_metrics("*/*"));
  CHECK_FALSE(open_metrics("application/json"));
  CHECK(open_metrics("application/openmetrics-text"));
  CHECK(
      open_metrics("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
                   "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
  CHECK_FALSE(open_metrics("application/openmetrics-text; version=\"1.0.0\"; q=0.3, text/plain"));
  CHECK_FALSE(open_metrics("application/openmetrics-text;version=0.0.1,text/plain;q=0.5"));
  CHECK_FALSE(open_metrics("application/openmetrics-text;q=0"));
  CHECK_FALSE(open_metrics("application/openmetrics-text;q=high"));
}

TEST_CASE("[host] promtool accepts the text") {
  if (std::system("command -v promtool >/dev/null") != 0) {
    WARN("skipped: promtool is not installed");
    return;
  }
  FILE* promtool = popen("promtool check metrics 2>&1", "w");
  REQUIRE(promtool);
  Exposition exposition(ExpositionFormat::kText);
  exposition.Begin({"huatuo_node_kills_total", "A.", v1::MetricType::COUNTER, {}});
  exposition.Add({"node=\"n\"", 3, {}, 0, kStart, kTime});
  exposition.Begin({"huatuo_node_wait_seconds", "Waits.", v1::MetricType::HISTOGRAM, {0.5, 1}});
  const uint64_t cumulative[] = {1, 2, 4};
  exposition.Add({"node=\"n\"", 0, cumulative, 7.5, kStart, kTime});
  std::string text;
  exposition.Finish(text);
  CHECK(fwrite(text.data(), 1, text.size(), promtool) == text.size());
  CHECK(pclose(promtool) == 0);
}

}  // namespace
}  // namespace huatuo
