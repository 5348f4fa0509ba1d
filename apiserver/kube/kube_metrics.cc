#include "apiserver/kube/kube_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <string>

namespace huatuo {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;

Family<Counter>& Counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Gauge& OneGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

struct KubeMetrics::State {
  explicit State(prometheus::Registry& r) : registry(r) {}
  prometheus::Registry& registry;
  Gauge& watching =
      OneGauge(registry, "huatuo_apiserver_kube_watching", "1 while a watch of the pods is open.");
  Counter& watches = Counters(registry, "huatuo_apiserver_kube_watches_total",
                              "Watches of the pods that were opened.")
                         .Add({});
  Family<Counter>& lists = Counters(registry, "huatuo_apiserver_kube_lists_total",
                                    "Whole lists of the pods, by why one was needed.");
  Family<Counter>& errors = Counters(registry, "huatuo_apiserver_kube_errors_total",
                                     "Lists and watches that failed, by cause.");
  Family<Counter>& events =
      Counters(registry, "huatuo_apiserver_kube_events_total", "Events of the watches, by kind.");
  Gauge& newest = OneGauge(registry, "huatuo_apiserver_kube_last_event_timestamp_seconds",
                           "When the newest event or list came, by this machine's clock.");
  Counter& malformed = Counters(registry, "huatuo_apiserver_kube_malformed_pods_total",
                                "Pods that have no uid, name or namespace.")
                           .Add({});
  Counter& left_out =
      Counters(registry, "huatuo_apiserver_kube_texts_left_out_total",
               "Labels and annotations that are too long or too many to be told with events.")
          .Add({});
  Gauge& pods = OneGauge(registry, "huatuo_apiserver_kube_pods", "Pods of the cluster.");
  Gauge& containers = OneGauge(registry, "huatuo_apiserver_kube_containers",
                               "Ids of the containers of those pods.");
  Gauge& tombstones = OneGauge(registry, "huatuo_apiserver_kube_tombstones",
                               "Uids and ids that are known although they are gone.");
  Counter& evicted = Counters(registry, "huatuo_apiserver_kube_tombstones_evicted_total",
                              "Those that were forgotten before 10 minutes, over the limit.")
                         .Add({});
};

KubeMetrics::KubeMetrics(prometheus::Registry& registry)
    : state_(std::make_unique<State>(registry)) {
  for (const char* cause : {"start", "gone", "malformed"}) state_->lists.Add({{"cause", cause}});
  for (const char* cause : {"connection", "timeout", "trust", "unauthorized", "forbidden", "gone",
                            "throttled", "malformed", "too_large", "credentials", "server"}) {
    state_->errors.Add({{"cause", cause}});
  }
}

KubeMetrics::~KubeMetrics() = default;

void KubeMetrics::Watching(bool open) {
  state_->watching.Set(open ? 1 : 0);
  if (open) state_->watches.Increment();
}

void KubeMetrics::Listed(std::string_view cause) {
  state_->lists.Add({{"cause", std::string(cause)}}).Increment();
}

void KubeMetrics::Error(std::string_view cause) {
  state_->errors.Add({{"cause", std::string(cause)}}).Increment();
}

void KubeMetrics::Event(std::string_view kind, int64_t wall_ns) {
  state_->events.Add({{"kind", std::string(kind)}}).Increment();
  state_->newest.Set(static_cast<double>(wall_ns) / 1e9);
}

void KubeMetrics::MalformedPod() { state_->malformed.Increment(); }

void KubeMetrics::TextsLeftOut(uint64_t count) {
  state_->left_out.Increment(static_cast<double>(count));
}

void KubeMetrics::Index(const PodIndex::Counts& counts) {
  state_->pods.Set(static_cast<double>(counts.pods));
  state_->containers.Set(static_cast<double>(counts.containers));
  state_->tombstones.Set(static_cast<double>(counts.tombstones));
  // The sum only grows, so the difference is what came since the last call.
  state_->evicted.Increment(static_cast<double>(counts.evicted) - state_->evicted.Value());
}

}  // namespace huatuo
