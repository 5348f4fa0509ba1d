#include "apiserver/query/configuration_api.h"

#include <fmt/format.h>

#include "apiserver/query/body.h"
#include "apiserver/query/problem.h"

namespace huatuo {
namespace {

namespace json = boost::json;

Response Show(const LiveConfig::Version& version) { return JsonReply(LiveConfig::Json(version)); }

Response Replace(LiveConfig& config, const Call& call) {
  json::value body;
  if (auto problem = ReadJson(call.request, body)) return std::move(*problem);
  const LiveConfig::Changed changed = config.Replace(body);
  if (changed.refusal) return RefusalProblem(422, *changed.refusal);
  return changed.status.ok() ? Show(*config.current()) : StatusProblem(changed.status);
}

Response RollBack(LiveConfig& config, const Call& call) {
  json::value body;
  if (auto problem = ReadJson(call.request, body)) return std::move(*problem);
  const json::value* value = body.is_object() ? body.as_object().if_contains("version") : nullptr;
  boost::system::error_code error;
  const auto number = value && value->is_number() ? value->to_number<uint64_t>(error) : uint64_t{0};
  if (number == 0 || error) {
    return ParameterProblem(422, "version", value ? "bad value" : "missing",
                            "the number of a version that is kept");
  }
  const absl::Status status = config.RollBack(number);
  return status.ok() ? Show(*config.current()) : StatusProblem(status);
}

Response List(const LiveConfig& config) {
  const auto versions = config.Versions();
  if (!versions.ok()) return StatusProblem(versions.status());
  json::array items;
  for (const LiveConfig::Version& version : *versions) items.push_back(LiveConfig::Json(version));
  return ListReply(std::move(items));
}

Response One(const LiveConfig& config, const Call& call) {
  const std::string& text = call.path.at("version");
  const std::optional<uint64_t> number = ParseCount(text);
  if (!number) return Problem(404, fmt::format("no version {} of the configuration is kept", text));
  const auto version = config.Find(*number);
  if (!version.ok()) return StatusProblem(version.status());
  if (!*version)
    return Problem(404, fmt::format("no version {} of the configuration is kept", text));
  return Show(**version);
}

}  // namespace

std::vector<Route> ConfigurationRoutes(LiveConfig& config) {
  const Reply one{200, "The version.", "application/json", "Configuration"};
  return {
      {.method = "GET",
       .pattern = "/api/v1/configuration",
       .help = "What is wanted of the units of all nodes: the version in force. What each node has "
               "made of it is in the list of nodes.",
       .replies = {one},
       .run = [&config](const Call&) { return Show(*config.current()); }},
      {.method = "PUT",
       .pattern = "/api/v1/configuration",
       .role = Role::kAdmin,
       .help = "A new version, in force at once and for good. With `version`, only when that is "
               "the newest.",
       .body_schema = "ConfigurationChange",
       .replies = {one},
       .run = [&config](const Call& call) { return Replace(config, call); }},
      {.method = "GET",
       .pattern = "/api/v1/configuration/versions",
       .help = "The last 100 versions, the newest first.",
       .replies = {{200, "The versions.", "application/json", "ConfigurationList"}},
       .run = [&config](const Call&) { return List(config); }},
      {.method = "GET",
       .pattern = "/api/v1/configuration/versions/{version}",
       .help = "One of the last 100 versions.",
       .replies = {one},
       .run = [&config](const Call& call) { return One(config, call); }},
      {.method = "POST",
       .pattern = "/api/v1/configuration/rollback",
       .role = Role::kAdmin,
       .help = "A new version with the document of an older one.",
       .body_schema = "ConfigurationRollback",
       .replies = {one},
       .run = [&config](const Call& call) { return RollBack(config, call); }},
  };
}

}  // namespace huatuo
