#include "apiserver/query/federate_api.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "apiserver/query/federation.h"
#include "apiserver/query/problem.h"
#include "apiserver/query/selector.h"

namespace huatuo {
namespace {

constexpr std::string_view kParam = "match[]";
constexpr std::string_view kAccepted =
    "name{label=\"value\",…} with =, !=, =~ or !~, at most 16 times";
// Together with Selector::kMaxMatchers and what one expression may take it bounds the memory.
constexpr size_t kMaxSelectors = 16;

std::optional<std::vector<Selector>> ReadSelectors(const std::vector<std::string>& texts,
                                                   Response& problem) {
  std::vector<Selector> selectors;
  if (texts.empty() || texts.size() > kMaxSelectors) {
    problem = ParameterProblem(400, kParam, fmt::format("given {} times", texts.size()), kAccepted);
    return std::nullopt;
  }
  for (const std::string& text : texts) {
    auto parsed = Selector::Parse(text);
    if (const auto* error = std::get_if<TextError>(&parsed)) {
      problem = ParameterProblem(
          400, kParam, fmt::format("{}: byte {}: {}", text, error->position + 1, error->what),
          kAccepted);
      return std::nullopt;
    }
    selectors.push_back(std::get<Selector>(std::move(parsed)));
  }
  return selectors;
}

Response Federate(const SeriesTable& series, prometheus::Registry& registry,
                  const ExpositionCounts& counts, const Call& call) {
  Response problem;
  auto selectors = ReadSelectors(call.params.List(std::string(kParam)), problem);
  if (!selectors) return problem;
  const ExpositionFormat format = NegotiateExposition(call.request.Header("accept"));
  const auto federation =
      std::make_shared<Federation>(std::move(*selectors), series, registry, format);
  return ExpositionReply(
      format, [federation](Exposition& text) { return federation->Step(text); }, counts);
}

}  // namespace

std::vector<Route> FederateRoutes(const SeriesTable& series, prometheus::Registry& registry) {
  return {{.method = "GET",
           .pattern = "/federate",
           .help = "Newest samples of the series that selectors take, for another Prometheus.",
           .params = {{.name = std::string(kParam),
                       .help = "A PromQL instant vector selector; a series is told when one of "
                               "them takes it.",
                       .repeated = true}},
           .replies = {{200, "Samples.", "text/plain", ""},
                       {200, "Samples.", "application/openmetrics-text", ""}},
           .run = [&series, &registry, counts = ExpositionCounts(registry, "/federate")](
                      const Call& call) { return Federate(series, registry, counts, call); }}};
}

}  // namespace huatuo
