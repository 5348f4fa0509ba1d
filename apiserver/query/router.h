// The table of all routes: matching, roles, parameter checks and the OpenAPI document come from it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/access/audit_log.h"
#include "apiserver/access/rate_limits.h"
#include "apiserver/query/auth.h"
#include "apiserver/query/http.h"
#include "apiserver/query/http_counts.h"
#include "apiserver/query/params.h"

namespace huatuo {

// A request whose route was found and whose query parameters were accepted.
struct Call {
  const Request& request;
  std::map<std::string, std::string> path;  // by the names in the pattern
  ParamValues params;
  Caller caller = {};
};

// One reply that a route gives, for OpenAPI.
struct Reply {
  int status = 200;
  std::string help;
  std::string content_type = "application/json";
  std::string schema;  // a name in components/schemas; empty: text
};

struct Route {
  std::string method;
  std::string pattern;  // "/api/v1/nodes/{node}"
  Role role = Role::kViewer;
  std::string help;
  std::vector<Param> params = {};
  std::string body_schema = {};     // of a JSON request body; empty: none
  std::vector<Reply> replies = {};  // errors of the router itself are added
  std::function<Response(const Call&)> run;
  // Shows a caller who sees some namespaces alone nothing of the others. Only then is it served to
  // one; a route that does not say so is refused.
  bool scoped = false;
  // Never refused for coming too often: whoever asks would end the process for it.
  bool unlimited = false;
};

// Who may come, how often, and who writes it down. What is pointed to outlives the router.
struct Gate {
  Authorizer authorize;
  RateLimits* limits = nullptr;  // of requests of a token or of an address; null: none
  AuditLog* audit = nullptr;     // of every route that changes something; null: none
};

// Serves what no route does, without a role; nullopt: nor does it.
using Fallback = std::function<std::optional<Response>(const Request&)>;

// Thread-safe once built.
class Router {
 public:
  Router(std::vector<Route> routes, Gate gate, HttpCounts& counts, Fallback fallback);

  Response operator()(const Request& request) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Match {
    const Route* route = nullptr;
    std::map<std::string, std::string> path;
    std::string allow;  // methods of this path
  };
  Match Find(const Request& request) const;
  Response Serve(const Request& request, Match match, Caller caller) const;
  // Of a stream: whether its caller is still who it was.
  std::function<bool()> StillAllowed(const Route& route, const Call& call) const;
  // The refusal, when there is one.
  static std::optional<Response> Admit(const Route& route, const Caller& caller);
  std::optional<Response> Limit(const Request& request, const Caller& caller) const;
  void Audit(const Call& call, const Route& route, const Response& response) const;

  std::vector<Route> routes_;
  Gate gate_;
  HttpCounts& counts_;
  Fallback fallback_;
};

}  // namespace huatuo
