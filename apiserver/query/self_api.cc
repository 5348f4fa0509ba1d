#include "apiserver/query/self_api.h"

#include <boost/json/array.hpp>

#include "apiserver/query/body.h"

namespace huatuo {
namespace {

namespace json = boost::json;

Response Self(const Caller& caller) {
  json::value name;
  if (!caller.name.empty()) name = caller.name;
  const json::array namespaces(caller.namespaces.begin(), caller.namespaces.end());
  return JsonReply({{"token", std::move(name)},
                    {"role", std::string(RoleName(caller.role))},
                    {"namespaces", namespaces}});
}

}  // namespace

Route SelfRoute() {
  return {.method = "GET",
          .pattern = "/api/v1/self",
          .help = "The name of the token that was shown, its role and its namespaces.",
          .replies = {{200, "Who the caller is.", "application/json", "Self"}},
          .run = [](const Call& call) { return Self(call.caller); },
          .scoped = true};
}

}  // namespace huatuo
