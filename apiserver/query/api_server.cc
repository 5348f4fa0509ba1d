#include "apiserver/query/api_server.h"

#include <fmt/format.h>

#include <iterator>

#include "apiserver/access/audit_log.h"
#include "apiserver/access/exposure.h"
#include "apiserver/access/rate_limits.h"
#include "apiserver/query/configuration_api.h"
#include "apiserver/query/events_api.h"
#include "apiserver/query/known_issues_api.h"
#include "apiserver/query/metrics_api.h"
#include "apiserver/query/nodes_api.h"
#include "apiserver/query/openapi.h"
#include "apiserver/query/profiles_api.h"
#include "apiserver/query/router.h"
#include "apiserver/query/self_api.h"
#include "apiserver/query/tasks_api.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// What a page of the console asks for at once must not be refused.
constexpr double kBurstSeconds = 2;

absl::StatusOr<Authorizer> AuthorizerOf(const ApiOptions& options) {
  if (options.authorizer) return options.authorizer;
  if (IsLoopback(options.server.listen)) return LoopbackOnly();
  return InvalidArgument(fmt::format("listen {}: not a loopback address, and there are no tokens",
                                     options.server.listen));
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
  Append(all, MetricRoutes(sources.series, sources.registry));
  Append(all, HealthRoutes(sources.checks));
  all.push_back(SelfRoute());
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

struct ApiServer::Parts {
  Parts(const ApiOptions& options, const ApiSources& sources)
      : counts(sources.registry),
        limits(static_cast<double>(options.requests_per_second),
               static_cast<double>(options.requests_per_second) * kBurstSeconds),
        audit(options.audit_file, sources.clock, sources.registry) {}

  HttpCounts counts;
  RateLimits limits;
  AuditLog audit;
};

ApiServer::ApiServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

ApiServer::~ApiServer() = default;

absl::StatusOr<std::unique_ptr<ApiServer>> ApiServer::Start(const ApiOptions& options,
                                                            const ApiSources& sources) {
  ASSIGN_OR_RETURN(Authorizer authorizer, AuthorizerOf(options));
  auto api = std::unique_ptr<ApiServer>(new ApiServer(std::make_unique<Parts>(options, sources)));
  Parts& parts = *api->parts_;
  auto router = std::make_shared<Router>(
      Routes(options, sources, parts.counts),
      Gate{std::move(authorizer), &parts.limits, &parts.audit}, parts.counts,
      [&console = sources.console](const Request& request) { return console.Serve(request); });
  ASSIGN_OR_RETURN(
      api->server_,
      HttpServer::Start(
          options.server, [router](const Request& request) { return (*router)(request); },
          parts.counts));
  return api;
}

}  // namespace huatuo
