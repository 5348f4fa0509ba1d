#include "apiserver/store/series.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <catch2/catch.hpp>
#include <limits>

#include "common/status.h"
#include "google/protobuf/text_format.h"

namespace huatuo {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

template <typename T>
T Parse(const std::string& text) {
  T message;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &message));
  return message;
}

std::shared_ptr<const v1::Catalog> Catalog(const std::string& gauge_type = "GAUGE") {
  return std::make_shared<v1::Catalog>(Parse<v1::Catalog>(R"(
    units { name: "mem"
      metrics { name: "huatuo_node_memory_free_bytes" help: "Free." type: )" +
                                                          gauge_type + R"( }
      metrics { name: "huatuo_container_oom_kills_total" type: COUNTER labels: "scope" container: true } }
    units { name: "runqlat"
      metrics { name: "huatuo_node_runqueue_latency_seconds" type: HISTOGRAM first_bound: 0.5 buckets: 2 } })"));
}

std::string Show(const SeriesTable& table, std::string_view node = "") {
  std::string out;
  table.Visit(
      node,
      [&](const Family& family) {
        out += fmt::format("{} {} {}\n", family.name, v1::MetricType::Type_Name(family.type),
                           family.bounds);
      },
      [&](const Family& family, const SeriesView& view) {
        out += fmt::format("  {{{}}} ", view.labels);
        if (family.type == v1::MetricType::HISTOGRAM) {
          out += fmt::format("{} sum {} since {}", view.cumulative, view.sum, view.start_time_ns);
        } else {
          out += fmt::format("{}", view.value);
        }
        out += fmt::format(" @{}\n", view.time_ns);
      });
  return out;
}

std::string Apply(SeriesTable& table, uint64_t session, const std::string& batch,
                  const std::string& node = "a") {
  const absl::Status status = table.Apply(node, session, Parse<v1::MetricBatch>(batch));
  return status.ok() ? "ok" : Message(status);
}

struct Fixture {
  ManualClock clock;
  SeriesTable table{clock, 100};
  explicit Fixture(uint64_t session = 1) { table.Open("a", "eu", session, Catalog()); }
};

TEST_CASE("series of every type, with labels and sample time") {
  Fixture f;
  CHECK(Apply(f.table, 1, R"(
    announce { id: 1 unit: 0 metric: 0 }
    announce { id: 2 unit: 0 metric: 1 label_values: "me\"m\\\n" container { id: "c1" name: "web" qos: "burstable" } }
    announce { id: 3 unit: 1 metric: 0 }
    samples { time_ns: 5 ids: 1 ids: 2 values: 10 values: 7
              histograms { id: 3 cumulative: 1 cumulative: 4 cumulative: 4 sum: 2.5 start_time_ns: 2 }
              complete: true })") == "ok");
  CHECK(Show(f.table) == R"(huatuo_container_oom_kills_total COUNTER []
  {node="a",region="eu",namespace="",pod="",container="web",container_id="c1",qos="burstable",scope="me\"m\\\n"} 7 @5
huatuo_node_memory_free_bytes GAUGE []
  {node="a",region="eu"} 10 @5
huatuo_node_runqueue_latency_seconds HISTOGRAM [0.5, 1]
  {node="a",region="eu"} [1, 4, 4] sum 2.5 since 2 @5
)");
  CHECK(Show(f.table, "b").empty());
  CHECK(f.table.counts().samples == 3);
}

TEST_CASE("an unchanged series has the time of the newest complete round") {
  Fixture f;
  CHECK(Apply(f.table, 1, R"(announce { id: 1 }
    samples { time_ns: 5 ids: 1 values: 10 complete: true })") == "ok");
  CHECK(Apply(f.table, 1, "samples { round: 2 time_ns: 15 }") == "ok");
  CHECK(Show(f.table).ends_with("10 @5\n"));
  CHECK(Apply(f.table, 1, "samples { round: 2 time_ns: 15 complete: true }") == "ok");
  CHECK(Show(f.table).ends_with("10 @15\n"));
  CHECK(Apply(f.table, 1, "samples { round: 3 time_ns: 25 ids: 1 values: 11 }") == "ok");
  CHECK(Show(f.table).ends_with("11 @25\n"));
}

TEST_CASE("a node whose clock is far off has the server's times, at its own pace") {
  constexpr int64_t kMinute = 60 * kSecond;
  Fixture f;
  f.clock.wall_ns = 1000 * kMinute;
  const auto sample = [&](int64_t time_ns) {
    return Apply(
        f.table, 1,
        fmt::format("samples {{ time_ns: {} ids: 1 values: 7 histograms {{ id: 3 cumulative: "
                    "[0, 0, 1] start_time_ns: {} }} complete: true }}",
                    time_ns, time_ns - kSecond));
  };
  Apply(f.table, 1, "announce { id: 1 } announce { id: 3 unit: 1 }");
  const auto times = [&](int64_t time_ns) {
    sample(time_ns);
    std::string out;
    f.table.Visit(
        "", [](const Family&) {},
        [&](const Family&, const SeriesView& view) {
          out += fmt::format("{}@{} ", view.start_time_ns / kSecond, view.time_ns / kSecond);
        });
    return out;
  };
  CHECK(times(5 * kSecond) == "0@60000 59999@60000 ");
  f.clock.wall_ns += 20 * kSecond;  // it took 5 s longer to get here
  CHECK(times(20 * kSecond) == "0@60015 60014@60015 ");
  CHECK(times(2000 * kMinute) == "0@60020 60019@60020 ");
  CHECK(times(1001 * kMinute) == "0@60060 60059@60060 ");
  CHECK(times(std::numeric_limits<int64_t>::max()) == "0@60020 60020@60020 ");
  CHECK(times(-5 * kSecond) == "0@60020 60020@60020 ");
}

TEST_CASE("a series ends when it is said to, and its id is free again") {
  Fixture f;
  CHECK(Apply(f.table, 1, "announce { id: 1 } samples { ids: 1 values: 1 } end: 1") == "ok");
  CHECK(Show(f.table).empty());
  CHECK(f.table.counts().series == 0);
  CHECK(Apply(f.table, 1, "samples { ids: 1 values: 1 }") == "samples: series 1: unknown");
}

TEST_CASE("a session takes over what it announces; the rest ends after three rounds") {
  Fixture f;
  Apply(f.table, 1, R"(announce { id: 1 } announce { id: 3 unit: 1 }
    samples { time_ns: 5 ids: 1 values: 10 histograms { id: 3 cumulative: [0, 0, 1] } complete: true })");
  f.table.Open("a", "eu", 2, Catalog());
  CHECK(Apply(f.table, 1, "samples { ids: 1 values: 99 }") ==
        "metrics of a session that is not the newest of its node");
  CHECK(Apply(f.table, 2, "announce { id: 8 }") == "ok");
  CHECK(Show(f.table).find("} 10 @5\n") != std::string::npos);
  for (int round = 0; round < 2; ++round) {
    Apply(f.table, 2, "samples { time_ns: 20 complete: true }");
    f.table.Sweep();
  }
  CHECK(f.table.counts().series == 2);
  Apply(f.table, 2, "samples { time_ns: 30 complete: true }");
  f.table.Sweep();
  CHECK(Show(f.table) ==
        "huatuo_node_memory_free_bytes GAUGE []\n  {node=\"a\",region=\"eu\"} 10 @30\n");
}

TEST_CASE("series stay 60 s after their session closed, then the node and its families go") {
  Fixture f;
  Apply(f.table, 1, "announce { id: 1 } samples { time_ns: 5 ids: 1 values: 1 complete: true }");
  f.table.Close("a", 1);
  f.clock.Advance(59 * kSecond);
  f.table.Sweep();
  CHECK(f.table.counts().series == 1);
  f.clock.Advance(kSecond);
  f.table.Sweep();
  CHECK(Show(f.table).empty());
  CHECK(f.table.counts().series == 0);
  CHECK(f.table.counts().samples == 1);
  f.table.Open("b", "eu", 1, Catalog("COUNTER"));
  CHECK(Apply(f.table, 1, "announce { id: 1 } samples { ids: 1 values: 1 }", "b") == "ok");
  CHECK(f.table.counts().conflicting == 0);
}

TEST_CASE("what is not kept is counted and its samples are accepted") {
  ManualClock clock;
  SeriesTable table(clock, 2);
  table.Open("a", "eu", 1, Catalog(), {1});
  CHECK(Apply(table, 1, R"(
    announce { id: 1 } announce { id: 2 }
    announce { id: 3 unit: 1 }
    announce { id: 4 metric: 1 label_values: "x" } announce { id: 5 metric: 1 label_values: "y" }
    samples { ids: [1, 2, 4, 5] values: [1, 2, 4, 5] histograms { id: 3 cumulative: [0, 0, 0] } })") ==
        "ok");
  const SeriesTable::Counts counts = table.counts();
  CHECK(counts.duplicates == 1);
  CHECK(counts.muted == 1);
  CHECK(counts.refused_series == 1);
  CHECK(counts.series == 2);
  CHECK(Show(table, "a").find("memory_free_bytes GAUGE []\n  {node=\"a\",region=\"eu\"} 1 @0") !=
        std::string::npos);
}

TEST_CASE("a family has one type: the first that came") {
  Fixture f;
  f.table.Open("b", "eu", 1, Catalog("COUNTER"));
  Apply(f.table, 1, "announce { id: 1 } samples { ids: 1 values: 1 }");
  Apply(f.table, 1, "announce { id: 1 } samples { ids: 1 values: 2 }", "b");
  CHECK(Show(f.table) ==
        "huatuo_node_memory_free_bytes GAUGE []\n  {node=\"a\",region=\"eu\"} 1 @0\n");
  CHECK(f.table.counts().conflicting == 1);
}

TEST_CASE("a batch that breaks a rule is refused with the reason") {
  const std::pair<const char*, const char*> cases[] = {
      {"announce { id: 1 unit: 7 }", "series 1: unit 7: the catalog has 2"},
      {"announce { id: 1 metric: 9 }", "series 1: metric 9: unit mem has 2"},
      {"announce { id: 1 } announce { id: 1 }", "series 1: announced twice"},
      {"announce { id: 1 label_values: \"x\" }",
       "label_values: 1: huatuo_node_memory_free_bytes has 0 labels"},
      {"end: 4", "end: series 4: unknown"},
      {"samples { ids: 4 values: 1 }", "samples: series 4: unknown"},
      {"samples { ids: 4 }", "samples: 0 values for 1 ids"},
      {"announce { id: 3 unit: 1 } samples { ids: 3 values: 1 }", "samples: series 3: a histogram"},
      {"announce { id: 1 } samples { histograms { id: 1 } }",
       "histogram of series 1: huatuo_node_memory_free_bytes is none"},
      {"announce { id: 3 unit: 1 } samples { histograms { id: 3 cumulative: [1, 2] } }",
       "histogram of series 3: 2 counts: huatuo_node_runqueue_latency_seconds has 3"},
      {"announce { id: 3 unit: 1 } samples { histograms { id: 3 cumulative: [1, 3, 2] } }",
       "histogram of series 3: cumulative counts decrease"},
  };
  for (const auto& [batch, reason] : cases) {
    Fixture f;
    const absl::Status status = f.table.Apply("a", 1, Parse<v1::MetricBatch>(batch));
    CHECK(Message(status) == reason);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  }
  Fixture f;
  CHECK(Apply(f.table, 1,
              "announce { id: 2 metric: 1 label_values: \"" + std::string(1025, 'x') + "\" }") ==
        "label_values[0]: 1025 bytes: at most 1024");
}

Pod WebPod(const std::string& version, const std::string& app) {
  Pod pod;
  pod.uid = "u1";
  pod.resource_version = version;
  pod.namespace_name = "shop";
  pod.name = "web-0";
  pod.qos = "burstable";
  pod.labels = {{"app", app}, {"x/team", "a\"b"}};
  pod.containers.push_back({.name = "main", .type = "normal", .ids = {"c1"}});
  return pod;
}

struct ClusterFixture {
  explicit ClusterFixture(const std::vector<std::string>& labels = {"app", "x/team", "none"})
      : table(clock, 100, {&index, *MakePodLabelNames(labels)}) {
    table.Open("a", "eu", 1, Catalog());
  }
  // The labels that follow those of the node.
  std::string Labels() {
    std::string out;
    table.Visit(
        "", [](const Family&) {},
        [&](const Family&, const SeriesView& view) {
          out += fmt::format("{} {}\n", view.labels.substr(21), view.value);
        });
    return out;
  }
  ManualClock clock;
  PodIndex index{clock};
  SeriesTable table;
};

constexpr const char* kOfContainer = R"(
    announce { id: 2 unit: 0 metric: 1 label_values: "s" container { id: "c1" pod_uid: "u1" } }
    samples { time_ns: 5 ids: 2 values: 7 })";
constexpr const char* kOfPod = R"(
    announce { id: 3 unit: 0 metric: 1 label_values: "p" container { pod_uid: "u1" } }
    samples { time_ns: 5 ids: 3 values: 8 })";

TEST_CASE("series of a known pod have its names and the chosen labels") {
  ClusterFixture f;
  f.index.Set(WebPod("1", "web"));
  CHECK(Apply(f.table, 1, kOfContainer) == "ok");
  CHECK(Apply(f.table, 1, kOfPod) == "ok");
  CHECK(
      f.Labels() ==
      R"(namespace="shop",pod="web-0",container="",container_id="",qos="burstable",label_app="web",label_x_team="a\"b",scope="p" 8
namespace="shop",pod="web-0",container="main",container_id="c1",qos="burstable",label_app="web",label_x_team="a\"b",scope="s" 7
)");
}

TEST_CASE("a pod that becomes known, and labels that change, rename the series") {
  ClusterFixture f({"app"});
  CHECK(Apply(f.table, 1, kOfContainer) == "ok");
  CHECK(Apply(f.table, 1, kOfPod) == "ok");
  CHECK(f.Labels() ==
        R"(namespace="",pod="",container="",container_id="c1",qos="",scope="s" 7
namespace="",pod="u1",container="",container_id="",qos="",scope="p" 8
)");
  f.index.Set(WebPod("1", "web"));
  f.table.Sweep();
  const std::string known =
      R"(namespace="shop",pod="web-0",container="",container_id="",qos="burstable",label_app="web",scope="p" 8
namespace="shop",pod="web-0",container="main",container_id="c1",qos="burstable",label_app="web",scope="s" 7
)";
  CHECK(f.Labels() == known);
  f.index.Set(WebPod("2", "shop"));
  f.table.Sweep();
  CHECK(f.Labels() == known);
  f.clock.Advance(10 * kSecond);
  f.table.Sweep();
  CHECK(
      f.Labels() ==
      R"(namespace="shop",pod="web-0",container="",container_id="",qos="burstable",label_app="shop",scope="p" 8
namespace="shop",pod="web-0",container="main",container_id="c1",qos="burstable",label_app="shop",scope="s" 7
)");
  CHECK(Apply(f.table, 1, "samples { time_ns: 6 ids: 2 values: 9 } end: 3") == "ok");
  CHECK(
      f.Labels() ==
      R"(namespace="shop",pod="web-0",container="main",container_id="c1",qos="burstable",label_app="shop",scope="s" 9
)");
  CHECK(f.table.counts().series == 1);
}

TEST_CASE("a pod that was made anew under its name waits for the series of the one before to end") {
  ClusterFixture f({"app"});
  f.index.Set(WebPod("1", "web"));
  CHECK(Apply(f.table, 1, kOfPod) == "ok");
  Pod anew = WebPod("2", "web");
  anew.uid = "u2";
  f.index.Set(std::move(anew));
  CHECK(Apply(f.table, 1, R"(
    announce { id: 4 unit: 0 metric: 1 label_values: "p" container { pod_uid: "u2" } }
    samples { time_ns: 5 ids: 4 values: 10 })") == "ok");
  f.table.Sweep();
  CHECK(f.Labels() ==
        R"(namespace="",pod="u2",container="",container_id="",qos="",scope="p" 10
namespace="shop",pod="web-0",container="",container_id="",qos="burstable",label_app="web",scope="p" 8
)");
  CHECK(Apply(f.table, 1, "end: 3") == "ok");
  f.table.Sweep();
  CHECK(
      f.Labels() ==
      R"(namespace="shop",pod="web-0",container="",container_id="",qos="burstable",label_app="web",scope="p" 10
)");
  CHECK(f.table.counts().duplicates == 0);
}

TEST_CASE("a new session takes over the series of a known pod") {
  ClusterFixture f({"app"});
  f.index.Set(WebPod("1", "web"));
  CHECK(Apply(f.table, 1, kOfContainer) == "ok");
  f.table.Open("a", "eu", 2, Catalog());
  CHECK(Apply(f.table, 2, kOfContainer) == "ok");
  CHECK(f.table.counts().series == 1);
  f.table.Close("a", 2);
  f.clock.Advance(61 * kSecond);
  f.table.Sweep();
  CHECK(f.Labels().empty());
}

TEST_CASE("labels that cannot be told apart are refused") {
  CHECK(Message(MakePodLabelNames({"a.b", "a/b"}).status()) ==
        "a.b and a/b would both be label_a_b");
  CHECK(Message(MakePodLabelNames(std::vector<std::string>(17, "x")).status()) ==
        "17 labels: at most 16");
}

// What each series has of exemplars, by place.
std::string Examples(const SeriesTable& table) {
  std::string out;
  table.Visit(
      "", [](const Family&) {},
      [&](const Family&, const SeriesView& view) {
        if (view.exemplars.empty()) return;
        out += std::string(view.labels.substr(view.labels.rfind(',') + 1)) + ":";
        for (const Exemplar& one : view.exemplars) {
          out += one.time_ns == 0 ? " -"
                                  : fmt::format(" {} {} @{}", one.event_id, one.value, one.time_ns);
        }
        out += "\n";
      });
  return out;
}

TEST_CASE("the newest event is the example of its bucket") {
  Fixture f;
  CHECK(Apply(f.table, 1, R"(
    announce { id: 2 unit: 0 metric: 1 label_values: "a" container { id: "c1" } }
    announce { id: 3 unit: 0 metric: 1 label_values: "b" container { id: "c2" } }
    announce { id: 4 unit: 1 metric: 0 }
    samples { time_ns: 5 ids: 2 ids: 3 values: 7 values: 8
              histograms { id: 4 cumulative: 1 cumulative: 4 cumulative: 4 sum: 2.5 } complete: true })") ==
        "ok");
  CHECK(Examples(f.table).empty());
  const std::string histogram = "huatuo_node_runqueue_latency_seconds";
  f.table.Exemplify(
      "a",
      {{histogram, {}, {"e1", 0.5, 10}},
       {histogram, {}, {"e2", 0.6, 20}},
       {histogram, {}, {"e3", 0.7, 19}},
       {histogram, {}, {"e4", 9, 5}},
       {"huatuo_container_oom_kills_total", {"container_id=\"c2\"", "scope=\"b\""}, {"e5", 1, 6}},
       {"huatuo_container_oom_kills_total", {"container_id=\"c1\"", "scope=\"b\""}, {"e6", 1, 6}},
       {"huatuo_node_memory_gone", {}, {"e7", 1, 6}}});
  f.table.Exemplify("b", {{histogram, {}, {"e8", 0.5, 30}}});
  CHECK(Examples(f.table) ==
        "scope=\"b\": e5 1 @6\n"
        "region=\"eu\": e1 0.5 @10 e2 0.6 @20 e4 9 @5\n");
}

}  // namespace
}  // namespace huatuo
