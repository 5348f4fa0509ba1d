#include "apiserver/replica/replica_metrics.h"

namespace huatuo {
namespace {

prometheus::Counter& Counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Gauge& Gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

ReplicaMetrics::ReplicaMetrics(prometheus::Registry& registry)
    : peers(Gauge(registry, "huatuo_apiserver_peers",
                  "Other apiservers on the same PostgreSQL that are alive.")),
      turn(Gauge(registry, "huatuo_apiserver_turn",
                 "1: this one does what one does for all, such as retention.")),
      nodes_elsewhere(Gauge(registry, "huatuo_apiserver_nodes_elsewhere",
                            "Nodes that are connected to another apiserver.")),
      leases_lost(Counter(registry, "huatuo_apiserver_leases_lost_total",
                          "How often this one was too late to renew its lease, and gave up its "
                          "nodes.")),
      fenced(Counter(registry, "huatuo_apiserver_nodes_fenced_total",
                     "Streams that were ended because the node was connected to another apiserver "
                     "later.")),
      namesakes(Counter(registry, "huatuo_apiserver_namesakes_refused_total",
                        "Streams that were refused because another collector of that name was "
                        "connected.")),
      failures(Counter(registry, "huatuo_apiserver_replica_failures_total",
                       "Looks at what the others have done that failed and are tried again.")),
      mail(prometheus::BuildCounter()
               .Name("huatuo_apiserver_mail_total")
               .Help("Messages for nodes of other apiservers and their answers: sent, received, or "
                     "lost because they could not be stored.")
               .Register(registry)) {
  for (const char* what : {"sent", "received", "lost"}) mail.Add({{"what", what}});
}

}  // namespace huatuo
