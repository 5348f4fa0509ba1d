#include "apiserver/query/health.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace huatuo {
namespace {

namespace json = boost::json;

Response Alive() {
  Response response;
  response.body = json::serialize(json::object{{"alive", true}, {"version", HUATUO_VERSION}});
  return response;
}

Response Ready(const std::vector<Check>& checks) {
  Response response;
  json::array list;
  for (const Check& check : checks) {
    const std::optional<std::string> problem = check.problem();
    json::object item{{"name", check.name}, {"ok", !problem}};
    if (problem) item["reason"] = *problem;
    if (problem) response.status = 503;
    list.push_back(std::move(item));
  }
  response.body =
      json::serialize(json::object{{"ready", response.status == 200}, {"checks", std::move(list)}});
  return response;
}

}  // namespace

std::vector<Route> HealthRoutes(std::vector<Check> checks) {
  return {
      {.method = "GET",
       .pattern = "/healthz",
       .role = Role::kPublic,
       .help = "Whether the process answers.",
       .replies = {{200, "It does.", "application/json", "Health"}},
       .run = [](const Call&) { return Alive(); },
       .unlimited = true},
      {.method = "GET",
       .pattern = "/readyz",
       .role = Role::kPublic,
       .help = "Whether every stage moves.",
       .replies = {{200, "All do.", "application/json", "Readiness"},
                   {503, "One does not.", "application/json", "Readiness"}},
       .run = [checks = std::move(checks)](const Call&) { return Ready(checks); },
       .unlimited = true},
  };
}

}  // namespace huatuo
