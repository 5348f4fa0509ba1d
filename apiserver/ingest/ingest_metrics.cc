#include "apiserver/ingest/ingest_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <map>
#include <string>
#include <utility>

namespace huatuo {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

Family<Counter>& Counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Gauge& OneGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

// From a commit into memory to a disk that is nearly stuck.
const Histogram::BucketBoundaries& CommitBounds() {
  static const Histogram::BucketBoundaries bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                  0.1,   0.25,   0.5,   1,    2.5,   10};
  return bounds;
}

// By their order in IngestMetrics::Stage.
std::array<Histogram*, 4> Stages(prometheus::Registry& registry) {
  static const Histogram::BucketBoundaries kBounds{0.0001, 0.001, 0.01, 0.1, 0.5, 1, 5, 30};
  auto& family = prometheus::BuildHistogram()
                     .Name("huatuo_apiserver_ingest_stage_seconds")
                     .Help(
                         "Time that messages take: apply metrics; read entries, wait in the "
                         "queue, store.")
                     .Register(registry);
  const auto stage = [&](const char* name) { return &family.Add({{"stage", name}}, kBounds); };
  return {stage("apply"), stage("read"), stage("queue"), stage("store")};
}

}  // namespace

struct IngestMetrics::State {
  explicit State(prometheus::Registry& r) : registry(r) {}
  prometheus::Registry& registry;
  Gauge& streams = OneGauge(registry, "huatuo_apiserver_streams", "Nodes that are connected.");
  Family<Counter>& refused = Counters(registry, "huatuo_apiserver_streams_refused_total",
                                      "Streams that the server ended, by cause.");
  Family<Counter>& messages =
      Counters(registry, "huatuo_apiserver_ingest_messages_total", "Messages from nodes, by kind.");
  Counter& bytes =
      Counters(registry, "huatuo_apiserver_ingest_bytes_total", "Bytes of the messages from nodes.")
          .Add({});
  Family<Counter>& events = Counters(registry, "huatuo_apiserver_events_total",
                                     "Entries from nodes, by what became of them.");
  Histogram& commits = prometheus::BuildHistogram()
                           .Name("huatuo_apiserver_commit_seconds")
                           .Help("Time of one group commit of the store.")
                           .Register(registry)
                           .Add({}, CommitBounds());
  std::array<Histogram*, 4> stages = Stages(registry);
  Counter& failures = Counters(registry, "huatuo_apiserver_commit_failures_total",
                               "Commits that the store refused; they are tried again.")
                          .Add({});
  Gauge& queue = OneGauge(registry, "huatuo_apiserver_commit_queue_batches",
                          "Batches that wait for the store.");
  Gauge& queue_bytes =
      OneGauge(registry, "huatuo_apiserver_commit_queue_bytes", "Bytes that wait for the store.");
  Counter& slow_downs = Counters(registry, "huatuo_apiserver_slow_downs_total",
                                 "How often a node was told to slow down.")
                            .Add({});
  Counter& not_kept = Counters(registry, "huatuo_apiserver_nodes_not_kept_total",
                               "Rounds in which the store refused states of nodes.")
                          .Add({});
  Gauge& series = OneGauge(registry, "huatuo_apiserver_series", "Metric series of all nodes.");
  Counter& samples =
      Counters(registry, "huatuo_apiserver_samples_total", "Samples of those series.").Add({});
  Family<Counter>& dropped = Counters(registry, "huatuo_apiserver_series_refused_total",
                                      "Series that are not kept, by cause.");
};

IngestMetrics::IngestMetrics(prometheus::Registry& registry)
    : state_(std::make_unique<State>(registry)) {
  for (const char* outcome : {"stored", "rejected", "duplicate", "silenced", "gap"}) {
    Events(outcome, 0);
  }
  Series(0, 0, 0, 0, 0, 0);
}

IngestMetrics::~IngestMetrics() = default;

void IngestMetrics::StreamOpened() { state_->streams.Increment(); }
void IngestMetrics::StreamClosed() { state_->streams.Decrement(); }

void IngestMetrics::StreamRefused(std::string_view cause) {
  state_->refused.Add({{"cause", std::string(cause)}}).Increment();
}

void IngestMetrics::Message(std::string_view kind, size_t bytes) {
  state_->messages.Add({{"kind", std::string(kind)}}).Increment();
  state_->bytes.Increment(static_cast<double>(bytes));
}

void IngestMetrics::Events(std::string_view outcome, uint64_t count) {
  state_->events.Add({{"outcome", std::string(outcome)}}).Increment(static_cast<double>(count));
}

void IngestMetrics::Commit(double seconds, bool ok) {
  state_->commits.Observe(seconds);
  if (!ok) state_->failures.Increment();
}

void IngestMetrics::Passed(Stage stage, int64_t ns) {
  state_->stages[static_cast<size_t>(stage)]->Observe(static_cast<double>(ns) / 1e9);
}

void IngestMetrics::Queue(size_t commits, size_t bytes) {
  state_->queue.Set(static_cast<double>(commits));
  state_->queue_bytes.Set(static_cast<double>(bytes));
}

void IngestMetrics::SlowDown() { state_->slow_downs.Increment(); }

void IngestMetrics::NodesKept(bool ok) {
  if (!ok) state_->not_kept.Increment();
}

void IngestMetrics::Series(uint64_t present, uint64_t samples, uint64_t refused,
                           uint64_t conflicting, uint64_t duplicates, uint64_t muted) {
  // The sums only grow, so the difference is what came since the last call.
  const auto raise = [](Counter& counter, uint64_t total) {
    counter.Increment(static_cast<double>(total) - counter.Value());
  };
  state_->series.Set(static_cast<double>(present));
  raise(state_->samples, samples);
  raise(state_->dropped.Add({{"cause", "limit"}}), refused);
  raise(state_->dropped.Add({{"cause", "conflicting_family"}}), conflicting);
  raise(state_->dropped.Add({{"cause", "duplicate"}}), duplicates);
  raise(state_->dropped.Add({{"cause", "refused_unit"}}), muted);
}

}  // namespace huatuo
