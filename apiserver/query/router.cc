#include "apiserver/query/router.h"

#include <fmt/format.h>

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
  return Problem(403,
                 need == Role::kAdmin ? "the role admin is needed" : "the role operator is needed");
}

// Methods nobody serves are counted as one: a client can invent any number of them.
std::string_view MethodLabel(std::string_view method) {
  return method == "GET" || method == "PUT" || method == "POST" || method == "DELETE" ? method
                                                                                      : "other";
}

}  // namespace

Router::Router(std::vector<Route> routes, Authorizer authorize, HttpCounts& counts,
               Fallback fallback)
    : routes_(std::move(routes)),
      authorize_(std::move(authorize)),
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
  std::optional<Response> page;
  if (!match.route && match.allow.empty()) page = fallback_(request);
  if (page) label = "page";
  Response response = page ? *std::move(page) : Serve(request, std::move(match));
  counts_.Answered(label, MethodLabel(request.method), response.status,
                   std::chrono::steady_clock::now() - begin);
  return response;
}

Response Router::Serve(const Request& request, Match match) const {
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
  if (route.role != Role::kPublic) {
    const Role role = authorize_(request);
    if (role < route.role) return Refused(role, route.role);
  }
  Response problem;
  std::optional<ParamValues> values = ReadParams(route.params, request, problem);
  if (!values) return problem;
  return route.run(Call{request, std::move(match.path), std::move(*values)});
}

}  // namespace huatuo
