// What the HTTP side counts about itself, as `huatuo_apiserver_http_…` metrics.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <string_view>

namespace huatuo {

// Thread-safe. Must not outlive the registry.
class HttpCounts {
 public:
  explicit HttpCounts(prometheus::Registry& registry);

  // `route`: the pattern, never the path itself, which anybody can vary without end.
  void Answered(std::string_view route, std::string_view method, int status,
                std::chrono::nanoseconds took);

  prometheus::Gauge& connections;
  prometheus::Gauge& watches;
  prometheus::Counter& refused_connections;  // over the limit of connections
  prometheus::Counter& refused_of_address;   // over the limit of those of one address
  prometheus::Counter& rate_limited;         // requests
  prometheus::Counter& handshake_errors;     // of TLS
  prometheus::Counter& accept_errors;
  prometheus::Counter& timeouts;        // a request or a reply took too long
  prometheus::Counter& bad_requests;    // malformed or oversized
  prometheus::Counter& slow_watches;    // ended because the client did not read
  prometheus::Counter& watched_events;  // sent to watching clients
  prometheus::Counter& watch_errors;    // store errors while watching; tried again

 private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& seconds_;
};

}  // namespace huatuo
