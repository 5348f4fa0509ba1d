#include "collector/ship/series.h"

#include <catch2/catch.hpp>

#include "fixtures.h"

namespace huatuo {
namespace {

std::string Text(const v1::MetricBatch& batch) {
  std::string text = fmt::format("round {}@{}", batch.samples().round(), batch.samples().time_ns());
  for (uint32_t id : batch.end()) {
    text += fmt::format(" end {}", id);
  }
  for (const v1::SeriesAnnounce& a : batch.announce()) {
    text += fmt::format(" new {}={}/{}{{", a.id(), a.unit(), a.metric());
    for (const std::string& value : a.label_values()) {
      text += value + ",";
    }
    text += a.container().id() + "}";
  }
  for (int i = 0; i < batch.samples().ids_size(); ++i) {
    text += fmt::format(" {}:{}", batch.samples().ids(i), batch.samples().values(i));
  }
  for (const v1::HistogramSample& h : batch.samples().histograms()) {
    text += fmt::format(" {}:{}/{}", h.id(), h.cumulative(h.cumulative_size() - 1), h.sum());
  }
  return text + (batch.samples().complete() ? "." : "");
}

std::string Round(SeriesWriter& series, int64_t time_ns) {
  series.EndRound(time_ns);
  std::string text;
  for (const v1::MetricBatch& batch : series.Take()) {
    text += (text.empty() ? "" : " | ") + Text(batch);
  }
  return text;
}

}  // namespace

TEST_CASE("announced once, sent when changed, ended when not written, complete each round") {
  SeriesWriter series;
  std::string_view eth0[] = {"eth0"};
  std::string_view eth1[] = {"eth1"};
  v1::Container container;
  container.set_id("c1");
  series.Set({.unit = 0, .metric = 1, .label_values = eth0}, 1);
  series.Set({.unit = 0, .metric = 1, .label_values = eth1}, 2);
  series.Set({.unit = 2, .metric = 0, .container = &container}, 3);
  CHECK(Round(series, 10) ==
        "round 1@10 new 1=0/1{eth0,} new 2=0/1{eth1,} new 3=2/0{c1} 1:1 2:2 3:3.");
  series.Set({.unit = 0, .metric = 1, .label_values = eth0}, 1);
  series.Set({.unit = 0, .metric = 1, .label_values = eth1}, 5);
  CHECK(Round(series, 20) == "round 2@20 2:5.");
  series.Set({.unit = 0, .metric = 1, .label_values = eth1}, 5);
  CHECK(Round(series, 30) == "round 3@30 end 1.");
  CHECK(Round(series, 40) == "round 4@40.");
  series.Ran(2);
  CHECK(Round(series, 50) == "round 5@50 end 3.");
  series.Set({.unit = 0, .metric = 1, .label_values = eth1}, 5);
  series.Set({.unit = 0, .metric = 1, .label_values = eth0}, 6);
  CHECK(Round(series, 60) == "round 6@60 new 4=0/1{eth0,} 4:6.");
  series.End({.unit = 0, .metric = 1, .label_values = eth0});
  CHECK(Round(series, 70) == "round 7@70 end 4.");
  series.EndUnit(0);
  CHECK(Round(series, 80) == "round 8@80 end 2.");
  CHECK(series.Count().series == 0);
}

TEST_CASE("services, which have no id, are told apart by name") {
  SeriesWriter series;
  v1::Container cron;
  v1::Container ssh;
  cron.set_name("cron.service");
  ssh.set_name("ssh.service");
  series.Set({.unit = 0, .metric = 0, .container = &cron}, 1);
  series.Set({.unit = 0, .metric = 0, .container = &ssh}, 2);
  CHECK(Round(series, 10) == "round 1@10 new 1=0/0{} new 2=0/0{} 1:1 2:2.");
}

TEST_CASE("a new stream is told everything; rounds that nobody took coalesce") {
  SeriesWriter series;
  series.Set({.unit = 0}, 1);
  series.Set({.unit = 1}, 7);
  series.EndRound(10);
  series.Set({.unit = 0}, 2);
  CHECK(Round(series, 20) == "round 2@20 new 1=0/0{} new 2=1/0{} 1:2 2:7.");
  CHECK(series.Take().empty());
  series.Set({.unit = 0}, 3);
  series.EndRound(30);
  series.EndUnit(1);
  series.EndRound(40);
  series.Set({.unit = 0}, 9);
  CHECK(Text(series.Take().at(0)) == "round 4@40 end 2 1:3.");
  series.NewStream();
  CHECK(Text(series.Take().at(0)) == "round 4@40 new 1=0/0{} 1:3.");
}

TEST_CASE("a histogram is one series") {
  SeriesWriter series;
  uint64_t buckets[] = {1, 3, 4};
  series.SetHistogram({.unit = 0}, {.cumulative = buckets, .sum = 2.5, .start_time_ns = 1});
  CHECK(Round(series, 10) == "round 1@10 new 1=0/0{} 1:4/2.5.");
  series.SetHistogram({.unit = 0}, {.cumulative = buckets, .sum = 2.5, .start_time_ns = 1});
  CHECK(Round(series, 20) == "round 2@20.");
  buckets[2] = 5;
  series.SetHistogram({.unit = 0}, {.cumulative = buckets, .sum = 3, .start_time_ns = 1});
  CHECK(Round(series, 30) == "round 3@30 1:5/3.");
}

TEST_CASE("large rounds are split below 512 KiB; only the last message completes") {
  SeriesWriter series;
  std::vector<std::string> names;
  for (int i = 0; i < 9001; ++i) {
    names.push_back(fmt::format("{:0100}", i));
    std::string_view label[] = {names.back()};
    series.Set({.unit = 0, .label_values = label}, i);
  }
  series.EndRound(1);
  std::vector<v1::MetricBatch> batches = series.Take();
  REQUIRE(batches.size() > 1);
  int announced = 0;
  int values = 0;
  for (size_t i = 0; i < batches.size(); ++i) {
    CHECK(batches[i].ByteSizeLong() < 512 << 10);
    CHECK(batches[i].samples().complete() == (i + 1 == batches.size()));
    announced += batches[i].announce_size();
    values += batches[i].samples().values_size();
  }
  CHECK(announced == 9001);
  CHECK(values == 9001);
}

TEST_CASE("series beyond the limit are refused and counted") {
  SeriesWriter series(2);
  for (uint32_t metric = 0; metric < 5; ++metric) {
    series.Set({.unit = 0, .metric = metric}, 1);
  }
  CHECK(Round(series, 1) == "round 1@1 new 1=0/0{} new 2=0/1{} 1:1 2:1.");
  CHECK(series.Count().refused == 3);
}

}  // namespace huatuo
