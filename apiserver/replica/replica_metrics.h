// What a replica tells of itself among the others.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace huatuo {

struct ReplicaMetrics {
  explicit ReplicaMetrics(prometheus::Registry& registry);

  prometheus::Gauge& peers;
  prometheus::Gauge& turn;
  prometheus::Gauge& nodes_elsewhere;
  prometheus::Counter& leases_lost;
  prometheus::Counter& fenced;
  prometheus::Counter& namesakes;
  prometheus::Counter& failures;
  prometheus::Family<prometheus::Counter>& mail;  // by direction: sent, received, lost
};

}  // namespace huatuo
