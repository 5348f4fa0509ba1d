#include "apiserver/query/metrics_api.h"

#include <memory>
#include <utility>

#include "apiserver/query/own_family.h"
#include "apiserver/query/problem.h"

namespace huatuo {
namespace {

// Goes through the families, and in each through the nodes.
class NodeSteps {
 public:
  explicit NodeSteps(SeriesSelection selection) : selection_(std::move(selection)) {}

  bool operator()(Exposition& text) {
    if (node_ == selection_.nodes()) {
      node_ = 0;
      ++family_;
    }
    if (selection_.nodes() == 0 || family_ >= selection_.families().size()) return false;
    const Family& family = *selection_.families()[family_];
    if (node_ == 0) text.Begin(family);
    selection_.Visit(family, node_++,
                     [&text](const Family&, const SeriesView& view) { text.Add(view); });
    return true;
  }

 private:
  const SeriesSelection selection_;
  size_t family_ = 0;
  size_t node_ = 0;
};

void AddOwn(prometheus::Registry& registry, Exposition& text) {
  for (const prometheus::MetricFamily& collected : registry.Collect()) {
    const OwnFamily own = ToOwnFamily(collected);
    text.Begin(own.family);
    for (const OwnSeries& series : own.series) text.Add(series.view());
  }
}

struct Scope {
  bool nodes = true;
  bool own = true;
};

Response Metrics(const SeriesTable& series, prometheus::Registry& registry,
                 const ExpositionCounts& counts, const Call& call) {
  const ExpositionFormat format = NegotiateExposition(call.request.Header("accept"));
  const std::string node = call.params.Text("node");
  const std::string word = call.params.Text("scope");
  if (word == "apiserver" && !node.empty()) {
    return ParameterProblem(400, "scope", "a node's series are not the apiserver's", "nodes");
  }
  const Scope scope{.nodes = word != "apiserver", .own = word != "nodes" && node.empty()};
  SeriesSelection selection = series.Select(
      [&](std::string_view name) { return scope.nodes && (node.empty() || name == node); });
  const auto steps = std::make_shared<NodeSteps>(std::move(selection));
  return ExpositionReply(
      format,
      [steps, scope, &registry](Exposition& text) {
        if ((*steps)(text)) return true;
        if (scope.own) AddOwn(registry, text);
        return false;
      },
      counts);
}

}  // namespace

std::vector<Route> MetricRoutes(const SeriesTable& series, prometheus::Registry& registry) {
  return {{.method = "GET",
           .pattern = "/metrics",
           .help = "Newest samples, for Prometheus; OpenMetrics when Accept asks for it.",
           .params = {{"node", Param::Kind::kText, "Only the series of this node."},
                      {.name = "scope",
                       .kind = Param::Kind::kWord,
                       .help = "Only those of nodes, or only those of this process.",
                       .words = {"nodes", "apiserver"}}},
           .replies = {{200, "Samples.", "text/plain", ""},
                       {200, "Samples.", "application/openmetrics-text", ""}},
           .run = [&series, &registry, counts = ExpositionCounts(registry, "/metrics")](
                      const Call& call) { return Metrics(series, registry, counts, call); }}};
}

}  // namespace huatuo
