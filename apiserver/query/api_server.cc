#include "apiserver/query/api_server.h"

#include <fmt/format.h>

#include <iterator>

#include "apiserver/query/configuration_api.h"
#include "apiserver/query/discovery_api.h"
#include "apiserver/query/events_api.h"
#include "apiserver/query/federate_api.h"
#include "apiserver/query/known_issues_api.h"
#include "apiserver/query/metrics_api.h"
#include "apiserver/query/nodes_api.h"
#include "apiserver/query/openapi.h"
#include "apiserver/query/profiles_api.h"
#include "apiserver/query/replicas_api.h"
#include "apiserver/query/router.h"
#include "apiserver/query/tasks_api.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

absl::StatusOr<Authorizer> AuthorizerOf(const ApiOptions& options) {
  if (options.authorizer) return options.authorizer;
  if (!options.tokens.empty()) return BearerTokens(options.tokens, options.anonymous);
  if (!IsLoopback(options.server.listen)) {
    return InvalidArgument(fmt::format("listen {}: not a loopback address, and there are no tokens",
                                       options.server.listen));
  }
  return LoopbackOnly();
}

void Append(std::vector<Route>& all, std::vector<Route> routes) {
  std::move(routes.begin(), routes.end(), std::back_inserter(all));
}

std::vector<Route> Routes(const ApiOptions& options, const ApiSources& sources,
                          HttpCounts& counts) {
  std::vector<Route> all = EventRoutes(sources.querier, sources.commits, sources.clock, counts);
  Append(all, ProfileRoutes(sources.profiles, sources.clock));
  Append(all, NodeRoutes(sources.nodes, sources.config, options.parameter_timeout));
  Append(all, ConfigurationRoutes(sources.config));
  Append(all, KnownIssueRoutes(sources.issues));
  Append(all, TaskRoutes({sources.tasks, sources.nodes, sources.series, sources.querier,
                          sources.profiles, counts}));
  Append(all, ReplicaRoutes(sources.replicas));
  Append(all, MetricRoutes(sources.series, sources.registry));
  Append(all, FederateRoutes(sources.series, sources.registry));
  Append(all, DiscoveryRoutes(sources.nodes, !options.server.tls_certificate.empty()));
  Append(all, HealthRoutes(sources.checks));
  auto document = std::make_shared<Response>();
  all.push_back({.method = "GET",
                 .pattern = "/api/v1/openapi.json",
                 .role = Role::kPublic,
                 .help = "This description.",
                 .replies = {{200, "OpenAPI 3.1.", "application/json", "OpenApi"}},
                 .run = [document](const Call&) { return *document; }});
  document->body = OpenApi(all);
  return all;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ApiServer>> ApiServer::Start(const ApiOptions& options,
                                                            const ApiSources& sources) {
  const bool half_tls = options.server.tls_certificate.empty() != options.server.tls_key.empty();
  if (half_tls) return InvalidArgument("tls: a certificate and a key are needed, or none");
  ASSIGN_OR_RETURN(Authorizer authorizer, AuthorizerOf(options));
  auto counts = std::make_unique<HttpCounts>(sources.registry);
  auto router = std::make_shared<Router>(
      Routes(options, sources, *counts), std::move(authorizer), *counts,
      [&console = sources.console](const Request& request) { return console.Serve(request); });
  ASSIGN_OR_RETURN(auto server,
                   HttpServer::Start(
                       options.server,
                       [router](const Request& request) { return (*router)(request); }, *counts));
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(counts), std::move(server)));
}

}  // namespace huatuo
