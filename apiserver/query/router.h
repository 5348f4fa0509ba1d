// The table of all routes: matching, roles, parameter checks and the OpenAPI document come from it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
};

// Serves what no route does, without a role; nullopt: nor does it.
using Fallback = std::function<std::optional<Response>(const Request&)>;

// Thread-safe once built.
class Router {
 public:
  Router(std::vector<Route> routes, Authorizer authorize, HttpCounts& counts, Fallback fallback);

  Response operator()(const Request& request) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Match {
    const Route* route = nullptr;
    std::map<std::string, std::string> path;
    std::string allow;  // methods of this path
  };
  Match Find(const Request& request) const;
  Response Serve(const Request& request, Match match) const;

  std::vector<Route> routes_;
  Authorizer authorize_;
  HttpCounts& counts_;
  Fallback fallback_;
};

}  // namespace huatuo
