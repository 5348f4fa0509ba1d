#include "apiserver/ingest/profile_metrics.h"

#include <string>

namespace huatuo {
namespace {

prometheus::Family<prometheus::Counter>& Counters(prometheus::Registry& registry, const char* name,
                                                  const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Gauge& OneGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

const prometheus::Histogram::BucketBoundaries& CommitBounds() {
  static const prometheus::Histogram::BucketBoundaries bounds{0.001, 0.005, 0.01, 0.05, 0.1,
                                                              0.5,   1,     5,    10};
  return bounds;
}

}  // namespace

ProfileMetrics::ProfileMetrics(prometheus::Registry& registry)
    : streams(OneGauge(registry, "huatuo_apiserver_profile_streams",
                       "Nodes whose stream of profiles is open.")),
      bytes(Counters(registry, "huatuo_apiserver_profile_ingest_bytes_total",
                     "Bytes of the messages with profiles from nodes.")
                .Add({})),
      stored_bytes(Counters(registry, "huatuo_apiserver_profile_stored_bytes_total",
                            "Bytes of the profiles given to the store, compressed.")
                       .Add({})),
      commits(prometheus::BuildHistogram()
                  .Name("huatuo_apiserver_profile_commit_seconds")
                  .Help("Time of one group commit of the store of profiles.")
                  .Register(registry)
                  .Add({}, CommitBounds())),
      failures(Counters(registry, "huatuo_apiserver_profile_commit_failures_total",
                        "Commits that the store of profiles refused; they are tried again.")
                   .Add({})),
      queue_bytes(OneGauge(registry, "huatuo_apiserver_profile_queue_bytes",
                           "Bytes of profiles that wait for the store.")),
      profiles_(Counters(registry, "huatuo_apiserver_profiles_total",
                         "Profiles from nodes, by what became of them.")) {
  for (const char* outcome : {"stored", "rejected", "duplicate", "gap"}) Profiles(outcome, 0);
}

void ProfileMetrics::Profiles(std::string_view outcome, uint64_t count) {
  profiles_.Add({{"outcome", std::string(outcome)}}).Increment(static_cast<double>(count));
}

}  // namespace huatuo
