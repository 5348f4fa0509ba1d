#include "apiserver/query/router.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <optional>

#include "apiserver/query/problem.h"

namespace huatuo {
namespace {

std::vector<std::string_view> Segments(std::string_view pattern) {
  std::vector<std::string_view> segments;
  pattern.remove_prefix(1);
  while (!pattern.empty()) {
    const size_t slash = pattern.find('/');
    segments.push_back(pattern.substr(0, slash));
    pattern.remove_prefix(slash == std::string_view::npos ? pattern.size() : slash + 1);
  }
  return segments;
}

std::optional<std::map<std::string, std::string>> MatchPath(
    std::string_view pattern, const std::vector<std::string>& segments) {
  const std::vector<std::string_view> wanted = Segments(pattern);
  if (wanted.size() != segments.size()) return std::nullopt;
  std::map<std::string, std::string> variables;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{') && !segments[i].empty()) {
      variables.emplace(wanted[i].substr(1, wanted[i].size() - 2), segments[i]);
    } else if (wanted[i] != segments[i]) {
      return std::nullopt;
    }
  }
  return variables;
}

Response Refused(Role have, Role need) {
  if (have == Role::kPublic) {
    Response response = Problem(401, "a bearer token is needed");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  return Problem(403, fmt::format("the role {} is needed", RoleName(need)));
}

// Without the port, which is another one for each connection.
std::string_view AddressOf(std::string_view peer) { return peer.substr(0, peer.rfind(':')); }

std::string HeaderOf(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

// Methods nobody serves are counted as one: a client can invent any number of them.
std::string_view MethodLabel(std::string_view method) {
  return method == "GET" || method == "PUT" || method == "POST" || method == "DELETE" ? method
                                                                                      : "other";
}

}  // namespace

Router::Router(std::vector<Route> routes, Gate gate, HttpCounts& counts, Fallback fallback)
    : routes_(std::move(routes)),
      gate_(std::move(gate)),
      counts_(counts),
      fallback_(std::move(fallback)) {}

// A fixed pattern is listed before one with a variable that would match the same path.
Router::Match Router::Find(const Request& request) const {
  Match match;
  for (const Route& route : routes_) {
    auto path = MatchPath(route.pattern, request.segments);
    if (!path) continue;
    if (!match.route && route.method == request.method) {
      match.route = &route;
      match.path = std::move(*path);
    }
    if (match.allow.find(route.method) != std::string::npos) continue;
    if (!match.allow.empty()) match.allow += ", ";
    match.allow += route.method == "GET" ? "GET, HEAD" : route.method;
  }
  return match;
}

Response Router::operator()(const Request& request) const {
  const auto begin = std::chrono::steady_clock::now();
  Match match = Find(request);
  std::string label = match.route ? match.route->pattern : "none";
  Caller caller;
  if (match.route && match.route->role != Role::kPublic) caller = gate_.authorize(request);
  const bool limited = !match.route || !match.route->unlimited;
  std::optional<Response> early = limited ? Limit(request, caller) : std::nullopt;
  if (!early && !match.route && match.allow.empty()) {
    early = fallback_(request);
    if (early) label = "page";
  }
  Response response =
      early ? *std::move(early) : Serve(request, std::move(match), std::move(caller));
  counts_.Answered(label, MethodLabel(request.method), response.status,
                   std::chrono::steady_clock::now() - begin);
  return response;
}

std::function<bool()> Router::StillAllowed(const Route& route, const Call& call) const {
  Request request = call.request;
  request.body.clear();
  return [authorize = gate_.authorize, request = std::move(request), caller = call.caller,
          least = route.role] {
    if (least == Role::kPublic) return true;
    const Caller now = authorize(request);
    return now.name == caller.name && now.role >= least && now.namespaces == caller.namespaces;
  };
}

Response Router::Serve(const Request& request, Match match, Caller caller) const {
  if (!match.route && match.allow.empty()) {
    return Problem(404, fmt::format("no such path: {}", request.path));
  }
  if (!match.route) {
    Response response =
        Problem(405, fmt::format("{} is not served here, only {}", request.method, match.allow));
    response.headers.emplace_back("Allow", match.allow);
    return response;
  }
  const Route& route = *match.route;
  Call call{request, std::move(match.path), ParamValues(), std::move(caller)};
  Response response;
  if (auto refusal = Admit(route, call.caller)) {
    response = *std::move(refusal);
  } else if (auto values = ReadParams(route.params, request, response)) {
    call.params = std::move(*values);
    response = route.run(call);
    if (response.stream) response.still_allowed = StillAllowed(route, call);
  }
  if (gate_.audit != nullptr && route.role > Role::kViewer) Audit(call, route, response);
  return response;
}

std::optional<Response> Router::Limit(const Request& request, const Caller& caller) const {
  if (gate_.limits == nullptr) return std::nullopt;
  const std::string name = caller.name.empty() ? fmt::format("address {}", AddressOf(request.peer))
                                               : fmt::format("token {}", caller.name);
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto wait = gate_.limits->Take(name, std::chrono::nanoseconds(now).count());
  if (wait.count() == 0) return std::nullopt;
  counts_.rate_limited.Increment();
  Response response = Problem(429, fmt::format("too many requests of {}", name));
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  response.headers.emplace_back("Retry-After", std::to_string(seconds));
  return response;
}

std::optional<Response> Router::Admit(const Route& route, const Caller& caller) {
  if (caller.role < route.role) return Refused(caller.role, route.role);
  if (!caller.scoped() || route.scoped) return std::nullopt;
  return Problem(403, fmt::format("the token {} is for the namespace {} alone, and this is of all",
                                  caller.name, fmt::join(caller.namespaces, ", ")));
}

void Router::Audit(const Call& call, const Route& route, const Response& response) const {
  gate_.audit->Write({.caller = call.caller,
                      .address = std::string(AddressOf(call.request.peer)),
                      .method = call.request.method,
                      .route = route.pattern,
                      .target = call.request.path,
                      .status = response.status,
                      .created = HeaderOf(response, "Location")});
}

}  // namespace huatuo
