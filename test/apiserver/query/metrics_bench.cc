// What /metrics of many series costs beside prometheus-cpp's serializer: `metrics_bench NODES
// SERIES` fills the table with so many nodes of so many series each, asks the real server for all
// of them over loopback, and has prometheus-cpp make the text of the same series.
//
// CPU seconds, of this process: curl, which reads, is another one.
#include <fmt/format.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/query/http_server.h"
#include "apiserver/query/metrics_api.h"
#include "apiserver/query/router.h"

namespace huatuo {
namespace {

constexpr int kFamilies = 100;  // of the series of a node; every fourth is a counter
constexpr int64_t kTimeNs = 1'795'000'000'250'000'000;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentMiB() {
  long pages = 0;
  FILE* file = std::fopen("/proc/self/statm", "r");
  if (!file || std::fscanf(file, "%*d %ld", &pages) != 1) std::abort();
  std::fclose(file);
  return static_cast<double>(pages) * 4096 / (1 << 20);
}

// One series in the shape that those of a container have.
struct One {
  std::string name;
  bool counter = false;
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};

One Make(int node, int series) {
  const int family = series % kFamilies;
  const int container = series / kFamilies;
  One one;
  one.counter = family % 4 == 0;
  one.name = fmt::format("huatuo_container_family_{:02}_{}", family,
                         one.counter ? "seconds_total" : "bytes");
  one.labels = {{"node", fmt::format("node-{:04}.example.com", node)},
                {"region", "default"},
                {"namespace", fmt::format("namespace-{}", container % 5)},
                {"pod", fmt::format("app-{}-5d4f8c7b9-{:05x}", container, node)},
                {"container", "main"},
                {"container_id", fmt::format("{:016x}", node * 1000003L + container)},
                {"qos", "burstable"}};
  one.value = one.counter ? series * 1.001 + node : series * 4096.0 + node;
  return one;
}

std::shared_ptr<const v1::Catalog> MakeCatalog() {
  auto catalog = std::make_shared<v1::Catalog>();
  v1::Unit& unit = *catalog->add_units();
  for (int i = 0; i < kFamilies; ++i) {
    const One one = Make(0, i);
    v1::MetricType& metric = *unit.add_metrics();
    metric.set_name(one.name);
    metric.set_help("A family.");
    metric.set_type(one.counter ? v1::MetricType::COUNTER : v1::MetricType::GAUGE);
    for (size_t label = 2; label < one.labels.size(); ++label) {
      metric.add_labels(one.labels[label].first);
    }
  }
  return catalog;
}

void Fill(SeriesTable& table, int nodes, int series) {
  const auto catalog = MakeCatalog();
  for (int node = 0; node < nodes; ++node) {
    const std::string name = Make(node, 0).labels[0].second;
    table.Open(name, "default", 1, catalog);
    v1::MetricBatch batch;
    batch.mutable_samples()->set_time_ns(kTimeNs);
    for (int i = 0; i < series; ++i) {
      const One one = Make(node, i);
      v1::SeriesAnnounce& announce = *batch.add_announce();
      announce.set_id(static_cast<uint32_t>(i));
      announce.set_metric(static_cast<uint32_t>(i % kFamilies));
      for (size_t label = 2; label < one.labels.size(); ++label) {
        announce.add_label_values(one.labels[label].second);
      }
      batch.mutable_samples()->add_ids(static_cast<uint32_t>(i));
      batch.mutable_samples()->add_values(one.value);
    }
    if (!table.Apply(name, 1, batch).ok()) std::abort();
  }
}

std::vector<prometheus::MetricFamily> Families(int nodes, int series) {
  std::map<std::string, prometheus::MetricFamily> families;
  for (int node = 0; node < nodes; ++node) {
    for (int i = 0; i < series; ++i) {
      const One one = Make(node, i);
      prometheus::MetricFamily& family = families[one.name];
      family.name = one.name;
      family.help = "A family.";
      family.type = one.counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
      prometheus::ClientMetric& metric = family.metric.emplace_back();
      for (const auto& [name, value] : one.labels) metric.label.push_back({name, value});
      (one.counter ? metric.counter.value : metric.gauge.value) = one.value;
      metric.timestamp_ms = kTimeNs / 1'000'000;
    }
  }
  std::vector<prometheus::MetricFamily> list;
  for (auto& [name, family] : families) list.push_back(std::move(family));
  return list;
}

struct Scraped {
  double cpu_seconds = 0;
  double making_seconds = 0;  // of the text alone
  uint64_t bytes = 0;
  uint64_t lines = 0;
};

Scraped Scrape(const std::string& address, const prometheus::Counter& making, const char* flags) {
  const std::string command =
      fmt::format("curl -sS {} 'http://{}/metrics?scope=nodes'", flags, address);
  Scraped scraped;
  const double made = making.Value();
  const double begin = CpuSeconds();
  FILE* pipe = popen((command + " | wc -cl").c_str(), "r");
  unsigned long lines = 0;
  unsigned long bytes = 0;
  if (!pipe || std::fscanf(pipe, "%lu %lu", &lines, &bytes) != 2) std::abort();
  pclose(pipe);
  scraped.cpu_seconds = CpuSeconds() - begin;
  scraped.making_seconds = making.Value() - made;
  scraped.lines = lines;
  scraped.bytes = bytes;
  return scraped;
}

Scraped Serialize(int nodes, int series) {
  const auto families = Families(nodes, series);
  const double begin = CpuSeconds();
  const std::string text = prometheus::TextSerializer().Serialize(families);
  Scraped made;
  made.cpu_seconds = CpuSeconds() - begin;
  made.bytes = text.size();
  made.lines = static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
  return made;
}

int Run(int nodes, int series) {
  const double total = static_cast<double>(nodes) * series;
  SeriesTable table(Clock::Real(), static_cast<size_t>(series));
  const double before = ResidentMiB();
  Fill(table, nodes, series);
  fmt::print("{:.0f} series in memory: {:.0f} bytes a series\n", total,
             (ResidentMiB() - before) * (1 << 20) / total);
  prometheus::Registry registry;
  HttpCounts http(registry);
  const Router router(MetricRoutes(table, registry), {.authorize = LoopbackOnly()}, http,
                      [](const Request&) { return std::nullopt; });
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  auto server = HttpServer::Start(
      options, [&](const Request& request) { return router(request); }, http);
  if (!server.ok()) std::abort();
  const prometheus::Counter& making = ExpositionCounts(registry, "/metrics").cpu_seconds;
  for (int round = 0; round < 3; ++round) {
    const Scraped plain = Scrape((*server)->address(), making, "");
    const Scraped zipped = Scrape((*server)->address(), making, "-H 'Accept-Encoding: gzip'");
    const Scraped other = Serialize(nodes, series);
    if (plain.lines != other.lines) {
      fmt::print("{} lines, prometheus-cpp {}\n", plain.lines, other.lines);
      return 1;
    }
    fmt::print(
        "text {:.3f} s CPU, {:.0f} bytes a series; prometheus-cpp {:.3f} s: {:.1f} times; with the "
        "network {:.3f} s; with gzip {:.3f} s, {:.1f} bytes a series\n",
        plain.making_seconds, static_cast<double>(plain.bytes) / total, other.cpu_seconds,
        other.cpu_seconds / plain.making_seconds, plain.cpu_seconds, zipped.cpu_seconds,
        static_cast<double>(zipped.bytes) / total);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace huatuo

int main(int argc, char** argv) {
  const int nodes = argc > 1 ? std::atoi(argv[1]) : 1000;
  const int series = argc > 2 ? std::atoi(argv[2]) : 1000;
  if (nodes <= 0 || series <= 0) {
    std::fputs("usage: metrics_bench NODES SERIES\n", stderr);
    return 2;
  }
  return huatuo::Run(nodes, series);
}
