// The families of the apiserver itself, as the last part of docs/metrics.md.
//
// prometheus-cpp tells of a family only what has series, so each family with labels gets one here.
#include <fmt/ranges.h>
#include <prometheus/registry.h>

#include <boost/json/parse.hpp>
#include <cstdio>
#include <set>
#include <thread>

#include "apiserver/access/audit_log.h"
#include "apiserver/access/reload.h"
#include "apiserver/config/live_config.h"
#include "apiserver/ingest/ingest_metrics.h"
#include "apiserver/ingest/known_issues.h"
#include "apiserver/ingest/pod_waits.h"
#include "apiserver/ingest/profile_metrics.h"
#include "apiserver/janitor.h"
#include "apiserver/kube/kube_metrics.h"
#include "apiserver/query/exposition_reply.h"
#include "apiserver/query/http_counts.h"
#include "apiserver/replica/replica_metrics.h"
#include "apiserver/sink/follower.h"
#include "apiserver/store/memory_profile_store.h"
#include "apiserver/store/memory_store.h"
#include "apiserver/tasks/task_metrics.h"
#include "common/clock.h"
#include "test/docs/metric_table.h"

namespace huatuo {
namespace {

void Access(prometheus::Registry& registry) {
  Reloads(registry).Watch("", {}, "", [] { return absl::OkStatus(); });
  const AuditLog log("", Clock::Real(), registry);
}

void Ingest(prometheus::Registry& registry) {
  IngestMetrics metrics(registry);
  metrics.StreamRefused("");
  metrics.Message("", 0);
}

void Profiles(prometheus::Registry& registry) { ProfileMetrics{registry}; }

void Issues(prometheus::Registry& registry) {
  MemoryStore store;
  KnownIssues(store, registry)
      .Replace(
          boost::json::parse(R"({"items":[{"name":"n","action":"label","match":{"comm":"x"}}]})"));
}

void Config(prometheus::Registry& registry) {
  MemoryStore store;
  Nodes nodes(Clock::Real(), store);
  const auto config = LiveConfig::Start(store, nodes, Clock::Real(), registry);
}

void Waits(prometheus::Registry& registry) {
  const PodIndex pods(Clock::Real());
  const PodWaits waits(pods, Clock::Real(), registry);
}

void Kube(prometheus::Registry& registry) {
  KubeMetrics metrics(registry);
  metrics.Event("", 0);
}

void TaskStage(prometheus::Registry& registry) {
  const TaskMetrics metrics(registry);
  metrics.created.Add({{"tool", ""}});
  metrics.ended.Add({{"tool", ""}, {"state", ""}});
  metrics.refused.Add({{"limit", ""}});
}

void Replica(prometheus::Registry& registry) { ReplicaMetrics{registry}; }

void Http(prometheus::Registry& registry) {
  HttpCounts(registry).Answered("", "", 200, std::chrono::nanoseconds(0));
  ExpositionCounts(registry, "");
}

void Storage(prometheus::Registry& registry) {
  MemoryStore events;
  MemoryProfileStore profiles;
  const Janitor janitor({events, {}, profiles, {}}, Clock::Real(), registry);
  // Its thread gives the last of three families its series.
  while (registry.Collect().size() < 3) std::this_thread::yield();
}

void Sinks(prometheus::Registry& registry) {
  SinkMetrics metrics(registry);
  metrics.Delivered("", 0);
  metrics.Lost("", "", 0);
  metrics.Failed("");
  metrics.Behind("", 0);
}

std::string TypeWord(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return "counter";
    case prometheus::MetricType::Gauge:
      return "gauge";
    case prometheus::MetricType::Histogram:
      return "histogram";
    default:
      return "untyped";
  }
}

std::string LabelList(const prometheus::MetricFamily& family) {
  std::set<std::string> labels;
  for (const prometheus::ClientMetric& metric : family.metric) {
    for (const auto& label : metric.label) labels.insert(fmt::format("`{}`", label.name));
  }
  return fmt::format("{}", fmt::join(labels, ", "));
}

struct Stage {
  std::string_view folder;
  void (*make)(prometheus::Registry& registry);
};

constexpr Stage kStages[] = {
    {"access", &Access},   {"ingest", &Waits},  {"kube", &Kube},       {"ingest", &Ingest},
    {"ingest", &Profiles}, {"ingest", &Issues}, {"tasks", &TaskStage}, {"replica", &Replica},
    {"config", &Config},   {"query", &Http},    {"sink", &Sinks},      {"janitor.cc", &Storage}};

std::string Document() {
  std::vector<MetricRow> rows;
  for (const Stage& stage : kStages) {
    prometheus::Registry registry;
    stage.make(registry);
    for (const prometheus::MetricFamily& family : registry.Collect()) {
      rows.push_back({family.name, TypeWord(family.type), LabelList(family), family.help,
                      fmt::format("`apiserver/{}`", stage.folder)});
    }
  }
  std::string text = MetricTable("Apiserver", rows);
  text.pop_back();  // the last empty line
  return text;
}

}  // namespace
}  // namespace huatuo

int main() {
  std::fputs(huatuo::Document().c_str(), stdout);
  return 0;
}
