// A request to REST: a line `METHOD target`, a line with the Accept header, then the body.
// Seeds: test/fuzz/server/requests/configuration test/fuzz/server/requests/counts
// Seeds: test/fuzz/server/requests/event test/fuzz/server/requests/events
// Seeds: test/fuzz/server/requests/issues test/fuzz/server/requests/metrics
// Seeds: test/fuzz/server/requests/parameters test/fuzz/server/requests/profiles
// Seeds: test/fuzz/server/requests/rollback test/fuzz/server/requests/task
#include <prometheus/registry.h>

#include <boost/json/parse.hpp>
#include <iterator>
#include <string>
#include <string_view>

#include "apiserver/query/configuration_api.h"
#include "apiserver/query/events_api.h"
#include "apiserver/query/health.h"
#include "apiserver/query/known_issues_api.h"
#include "apiserver/query/metrics_api.h"
#include "apiserver/query/nodes_api.h"
#include "apiserver/query/openapi.h"
#include "apiserver/query/profiles_api.h"
#include "apiserver/query/router.h"
#include "apiserver/query/tasks_api.h"
#include "apiserver/store/memory_profile_store.h"
#include "apiserver/store/memory_store.h"
#include "test/fuzz/must.h"

namespace huatuo {
namespace {

template <typename T>
T Started(absl::StatusOr<T> value) {
  Must(value.ok());
  return *std::move(value);
}

// A server without nodes.
struct Server {
  Server() {
    std::vector<Route> routes = EventRoutes(store, commits, Clock::Real(), counts);
    for (auto& more :
         {ProfileRoutes(profiles, Clock::Real()),
          NodeRoutes(nodes, *config, std::chrono::milliseconds(1)), ConfigurationRoutes(*config),
          KnownIssueRoutes(issues), TaskRoutes({*tasks, nodes, series, store, profiles, counts}),
          MetricRoutes(series, registry), HealthRoutes({})}) {
      routes.insert(routes.end(), more.begin(), more.end());
    }
    router.emplace(std::move(routes), Gate{.authorize = Everybody()}, counts,
                   [](const Request&) { return std::nullopt; });
  }

  prometheus::Registry registry;
  MemoryStore store;
  MemoryProfileStore profiles;
  CommitSignal commits;
  Nodes nodes{Clock::Real(), store};
  KnownIssues issues{store, registry};
  SeriesTable series{Clock::Real(), 100};
  HttpCounts counts{registry};
  std::unique_ptr<LiveConfig> config =
      Started(LiveConfig::Start(store, nodes, Clock::Real(), registry));
  std::unique_ptr<Tasks> tasks = Started(
      Tasks::Start({Clock::Real(), store.tasks(), store, profiles, nodes, commits, registry}));
  std::optional<Router> router;
};

std::string_view Line(std::string_view& rest) {
  const size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

}  // namespace
}  // namespace huatuo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using huatuo::Must;
  static huatuo::Server server;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string_view first = huatuo::Line(rest);
  const size_t space = first.find(' ');
  if (space == std::string_view::npos) return 0;
  huatuo::Request request;
  request.method = std::string(first.substr(0, space));
  request.peer = "127.0.0.1:1";
  request.headers.emplace_back("accept", std::string(huatuo::Line(rest)));
  request.body = std::string(rest);
  if (!huatuo::ParseTarget(first.substr(space + 1), request)) return 0;
  const huatuo::Response response = (*server.router)(request);
  Must(response.status >= 200 && response.status < 500);
  if (response.content_type.find("json") == std::string::npos) return 0;
  huatuo::MustBeText(response.body);
  boost::system::error_code error;
  (void)boost::json::parse({response.body.data(), response.body.size()}, error);
  Must(!error);
  return 0;
}
