#include "apiserver/query/http_counts.h"

#include <string>

namespace huatuo {
namespace {

prometheus::Counter& Counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Gauge& Gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

HttpCounts::HttpCounts(prometheus::Registry& registry)
    : connections(Gauge(registry, "huatuo_apiserver_http_connections", "Open HTTP connections.")),
      watches(
          Gauge(registry, "huatuo_apiserver_http_watches", "Open streams of server-sent events.")),
      refused_connections(Counter(registry, "huatuo_apiserver_http_connections_refused_total",
                                  "Connections over the limit.")),
      refused_of_address(Counter(registry,
                                 "huatuo_apiserver_http_connections_of_address_refused_total",
                                 "Connections over the limit of one address.")),
      rate_limited(Counter(registry, "huatuo_apiserver_http_requests_limited_total",
                           "Requests answered with 429: too many of one token or address.")),
      handshake_errors(Counter(registry, "huatuo_apiserver_http_handshake_errors_total",
                               "Connections whose TLS handshake failed.")),
      accept_errors(Counter(registry, "huatuo_apiserver_http_accept_errors_total",
                            "Connections that could not be accepted.")),
      timeouts(Counter(registry, "huatuo_apiserver_http_timeouts_total",
                       "Connections ended because a request or reply took too long.")),
      bad_requests(Counter(registry, "huatuo_apiserver_http_bad_requests_total",
                           "Requests that were malformed or too large.")),
      slow_watches(Counter(registry, "huatuo_apiserver_http_watches_slow_total",
                           "Streams ended because the client did not read.")),
      watched_events(Counter(registry, "huatuo_apiserver_http_watched_events_total",
                             "Events sent to streams.")),
      watch_errors(Counter(registry, "huatuo_apiserver_http_watch_errors_total",
                           "Errors of the store while a stream read from it.")),
      requests_(prometheus::BuildCounter()
                    .Name("huatuo_apiserver_http_requests_total")
                    .Help("Requests answered.")
                    .Register(registry)),
      seconds_(prometheus::BuildHistogram()
                   .Name("huatuo_apiserver_http_request_duration_seconds")
                   .Help("Time from the whole request to the whole answer being ready.")
                   .Register(registry)) {}

void HttpCounts::Answered(std::string_view route, std::string_view method, int status,
                          std::chrono::nanoseconds took) {
  const std::string name(route);
  requests_
      .Add({{"route", name}, {"method", std::string(method)}, {"code", std::to_string(status)}})
      .Increment();
  seconds_.Add({{"route", name}}, prometheus::Histogram::BucketBoundaries{.001, .01, .1, 1, 10})
      .Observe(std::chrono::duration<double>(took).count());
}

}  // namespace huatuo
