// Everything that the apiserver serves over HTTP: REST, metrics, health, the console.
#pragma once

#include <prometheus/registry.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/config/live_config.h"
#include "apiserver/ingest/known_issues.h"
#include "apiserver/ingest/nodes.h"
#include "apiserver/query/auth.h"
#include "apiserver/query/console.h"
#include "apiserver/query/health.h"
#include "apiserver/query/http_server.h"
#include "apiserver/store/commit_signal.h"
#include "apiserver/store/profile_store.h"
#include "apiserver/store/series.h"
#include "apiserver/store/store.h"
#include "apiserver/tasks/tasks.h"
#include "common/clock.h"

namespace huatuo {

struct ApiOptions {
  ServerOptions server;
  // Empty: LoopbackOnly, and another address is not accepted.
  Authorizer authorizer;
  uint64_t requests_per_second = 0;  // of one token, else of one address; 0: no limit
  std::string audit_file;            // see AuditLog
  std::chrono::milliseconds parameter_timeout{5'000};
};

// What is served. All of it must outlive the server.
struct ApiSources {
  Querier& querier;
  ProfileQuerier& profiles;
  Nodes& nodes;
  LiveConfig& config;
  KnownIssues& issues;
  Tasks& tasks;
  const SeriesTable& series;
  CommitSignal& commits;
  prometheus::Registry& registry;
  const Clock& clock;
  std::vector<Check> checks;
  const Console& console;
};

class ApiServer {
 public:
  // InvalidArgument: options that contradict each other; else as HttpServer::Start.
  static absl::StatusOr<std::unique_ptr<ApiServer>> Start(const ApiOptions& options,
                                                          const ApiSources& sources);

  ~ApiServer();

  std::string address() const { return server_->address(); }
  void Shutdown() { server_->Shutdown(); }

 private:
  // What the routes use beside their sources.
  struct Parts;
  explicit ApiServer(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace huatuo
