#include "apiserver/query/nodes_api.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <optional>

#include "apiserver/config/unit_setting.h"
#include "apiserver/query/body.h"
#include "apiserver/query/node_json.h"
#include "apiserver/query/problem.h"
#include "common/status.h"

namespace huatuo {
namespace {

namespace json = boost::json;

Response ListNodes(const Nodes& nodes, const LiveConfig& config) {
  json::array items;
  const uint64_t version = config.current()->number;
  for (const NodeState& node : nodes.List()) items.push_back(NodeSummary(node, version));
  return ListReply(std::move(items));
}

Response NoSuchNode(const std::string& name) {
  return Problem(404, fmt::format("no node is called {}", name));
}

Response OneNode(const Nodes& nodes, const LiveConfig& config, const Call& call) {
  const std::string& name = call.path.at("node");
  const std::optional<NodeState> node = nodes.Find(name);
  return node ? JsonReply(NodeDetail(*node, config.current()->number)) : NoSuchNode(name);
}

Response ListUnits(const Nodes& nodes) {
  json::array items;
  const v1::Catalog catalog = nodes.Units();
  for (const v1::Unit& unit : catalog.units()) items.push_back(UnitJson(unit));
  return ListReply(std::move(items));
}

constexpr std::string_view kChange =
    R"({"unit": name, "values": {parameter: integer, "filter": text, "enabled": true or false}})";

// A change as the body of a request says it.
Objection ReadChange(const v1::Catalog& catalog, const json::value& body,
                     v1::UnitSettings& settings) {
  if (!body.is_object()) return Refusal{"", "the body is not an object", std::string(kChange)};
  const json::object& object = body.as_object();
  for (const auto& member : object) {
    if (member.key() == "unit" || member.key() == "values") continue;
    return Refusal{std::string(member.key()), "unknown member", "unit, values"};
  }
  const json::value* name = object.if_contains("unit");
  if (!name || !name->is_string()) {
    return Refusal{"unit", "not a string", OneOf(UnitNames(catalog))};
  }
  settings.set_unit(name->as_string().c_str());
  const v1::Unit* unit = FindUnit(catalog, settings.unit());
  if (!unit) {
    return Refusal{"unit", fmt::format("the node has no unit {}", settings.unit()),
                   OneOf(UnitNames(catalog))};
  }
  const json::value* values = object.if_contains("values");
  if (!values || !values->is_object() || values->as_object().empty()) {
    return Refusal{"values", "not an object with members", std::string(kChange)};
  }
  for (const auto& member : values->as_object()) {
    const std::string key(member.key());
    if (auto bad = ReadSetting(unit, "values." + key, key, member.value(), settings)) return bad;
  }
  return std::nullopt;
}

v1::SetParameters ChangeOf(v1::UnitSettings settings) {
  v1::SetParameters change;
  change.set_unit(settings.unit());
  *change.mutable_values() = std::move(*settings.mutable_values());
  if (settings.has_filter()) change.set_filter(settings.filter());
  if (settings.has_enabled()) change.set_enabled(settings.enabled());
  return change;
}

Response Change(Nodes& nodes, std::chrono::milliseconds timeout, const Call& call) {
  const std::string& name = call.path.at("node");
  const std::optional<NodeState> node = nodes.Find(name);
  if (!node) return NoSuchNode(name);
  if (!node->connected) return Problem(409, fmt::format("node {} is not connected", name));
  if (!node->catalog) return Problem(409, fmt::format("node {} has not told its units yet", name));
  json::value body;
  if (auto problem = ReadJson(call.request, body)) return std::move(*problem);
  v1::UnitSettings settings;
  if (const Objection bad = ReadChange(*node->catalog, body, settings)) {
    return RefusalProblem(422, *bad);
  }
  const auto reply = nodes.SetParameters(name, ChangeOf(std::move(settings)), timeout);
  if (!reply.ok()) return StatusProblem(reply.status());
  if (!reply->accepted()) return Problem(409, fmt::format("the node refused: {}", reply->reason()));
  return JsonReply({{"accepted", true}, {"reason", reply->reason()}});
}

}  // namespace

std::vector<Route> NodeRoutes(Nodes& nodes, const LiveConfig& config,
                              std::chrono::milliseconds answer_timeout) {
  return {
      {.method = "GET",
       .pattern = "/api/v1/nodes",
       .help = "All nodes.",
       .replies = {{200, "The nodes by name.", "application/json", "NodeList"}},
       .run = [&nodes, &config](const Call&) { return ListNodes(nodes, config); }},
      {.method = "GET",
       .pattern = "/api/v1/nodes/{node}",
       .help = "One node: its units, what they cost, what was lost.",
       .replies = {{200, "The node.", "application/json", "Node"}},
       .run = [&nodes, &config](const Call& call) { return OneNode(nodes, config, call); }},
      {.method = "PUT",
       .pattern = "/api/v1/nodes/{node}/parameters",
       .role = Role::kOperator,
       .help =
           "Changes parameters of a unit of a node, its filter and whether it runs among them, at "
           "once, all or none, until the collector restarts or is configured anew.",
       .body_schema = "ParameterChange",
       .replies = {{200, "The node has changed them.", "application/json", "ParameterAnswer"}},
       .run = [&nodes,
               answer_timeout](const Call& call) { return Change(nodes, answer_timeout, call); }},
      {.method = "GET",
       .pattern = "/api/v1/units",
       .help = "What the nodes can observe, of all catalogs in use.",
       .replies = {{200, "The units.", "application/json", "UnitList"}},
       .run = [&nodes](const Call&) { return ListUnits(nodes); },
       .scoped = true},
  };
}

}  // namespace huatuo
