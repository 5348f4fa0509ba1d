#include "apiserver/query/metrics_api.h"

#include "apiserver/query/exposition.h"

namespace huatuo {
namespace {

Response Metrics(const SeriesTable& series, prometheus::Registry& registry, const Call& call) {
  const ExpositionFormat format = NegotiateExposition(call.request.Header("accept"));
  const std::string node = call.params.Text("node");
  Exposition exposition(format);
  series.Visit(
      node, [&](const Family& family) { exposition.Begin(family); },
      [&](const Family&, const SeriesView& view) { exposition.Add(view); });
  if (node.empty()) {
    for (const prometheus::MetricFamily& family : registry.Collect()) exposition.Add(family);
  }
  Response response;
  response.content_type = std::string(ContentType(format));
  response.body = std::move(exposition).Finish();
  return response;
}

}  // namespace

std::vector<Route> MetricRoutes(const SeriesTable& series, prometheus::Registry& registry) {
  return {{.method = "GET",
           .pattern = "/metrics",
           .help = "Newest samples, for Prometheus; OpenMetrics when Accept asks for it.",
           .params = {{"node", Param::Kind::kText, "Only the series of this node."}},
           .replies = {{200, "Samples.", "text/plain", ""},
                       {200, "Samples.", "application/openmetrics-text", ""}},
           .run = [&](const Call& call) { return Metrics(series, registry, call); }}};
}

}  // namespace huatuo
