#include "apiserver/tasks/request.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <set>

#include "apiserver/config/unit_setting.h"

namespace huatuo {
namespace {

namespace json = boost::json;

constexpr std::string_view kShape = R"({"tool": name, "target": {...}, "duration_seconds": n})";
constexpr std::string_view kTarget =
    R"({"nodes": [name, ...]}, {"container": name or id}, or {"nodes": [name], "pid": n})";

Objection Only(const json::object& object, const std::string& prefix,
               const std::vector<std::string>& names) {
  for (const auto& member : object) {
    const std::string key(member.key());
    if (std::find(names.begin(), names.end(), key) != names.end()) continue;
    return Refusal{prefix + key, "unknown member", fmt::format("{}", fmt::join(names, ", "))};
  }
  return std::nullopt;
}

// An integer from `minimum` to `maximum`, or nothing.
std::optional<uint64_t> Integer(const json::value* value, uint64_t minimum, uint64_t maximum) {
  if (value == nullptr || !value->is_number()) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->to_number<uint64_t>(error);
  if (error || number < minimum || number > maximum) return std::nullopt;
  return number;
}

std::string Bad(const json::value* value) {
  return value == nullptr ? "missing" : "bad value " + json::serialize(*value);
}

Objection ReadText(const json::object& object, const std::string& prefix, const char* key,
                   std::string& text) {
  const json::value* value = object.if_contains(key);
  if (value != nullptr && value->is_string() && !value->as_string().empty()) {
    text = value->as_string().c_str();
    return std::nullopt;
  }
  return Refusal{prefix + key, Bad(value), "text that is not empty"};
}

Objection ReadNodes(const json::value& value, TaskTarget& target) {
  constexpr std::string_view kNodes = "an array of names of nodes, each once";
  const Refusal bad{"target.nodes", Bad(&value), std::string(kNodes)};
  if (!value.is_array() || value.as_array().empty()) return bad;
  std::set<std::string> seen;
  for (const json::value& node : value.as_array()) {
    if (!node.is_string() || node.as_string().empty()) return bad;
    target.nodes.emplace_back(node.as_string());
    if (!seen.insert(target.nodes.back()).second) return bad;
  }
  return std::nullopt;
}

Objection ReadTarget(const json::value* value, TaskTarget& target) {
  if (value == nullptr || !value->is_object() || value->as_object().empty()) {
    return Refusal{"target", value == nullptr ? "missing" : "empty", std::string(kTarget)};
  }
  const json::object& object = value->as_object();
  if (auto bad = Only(object, "target.", {"nodes", "container", "pid"})) return bad;
  if (const json::value* nodes = object.if_contains("nodes")) {
    if (auto bad = ReadNodes(*nodes, target)) return bad;
  }
  if (object.contains("container")) {
    if (auto bad = ReadText(object, "target.", "container", target.container)) return bad;
  }
  const json::value* pid = object.if_contains("pid");
  if (pid == nullptr) return std::nullopt;
  const std::optional<uint64_t> number = Integer(pid, 1, 4'194'304);  // the kernel's PID_MAX_LIMIT
  if (!number) return Refusal{"target.pid", Bad(pid), "an integer from 1 to 4194304"};
  if (!target.container.empty()) {
    return Refusal{"target.pid", "together with a container", "a pid, or a container"};
  }
  if (target.nodes.size() != 1) {
    return Refusal{"target.nodes", fmt::format("{} nodes with a pid", target.nodes.size()),
                   "exactly one node with a pid"};
  }
  target.pid = static_cast<uint32_t>(*number);
  return std::nullopt;
}

Objection ReadParameters(const json::value* value, TaskSpec& spec) {
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) {
    return Refusal{"parameters", Bad(value), "an object of integers, and a text as filter"};
  }
  for (const auto& member : value->as_object()) {
    const std::string key(member.key());
    if (key == "filter") {
      if (auto bad = ReadText(value->as_object(), "parameters.", "filter", spec.filter)) return bad;
      continue;
    }
    const std::optional<uint64_t> number = Integer(&member.value(), 0, UINT64_MAX);
    if (!number) return Refusal{"parameters." + key, Bad(&member.value()), "an integer"};
    spec.parameters[key] = *number;
  }
  return std::nullopt;
}

std::vector<std::string> Tools(const v1::Catalog& catalog) {
  std::vector<std::string> names;
  for (const v1::Unit& unit : catalog.units()) {
    if (unit.task()) names.push_back(unit.name());
  }
  return names;
}

}  // namespace

Objection ReadTaskSpec(const json::value& body, TaskSpec& spec) {
  if (!body.is_object()) return Refusal{"", "the body is not an object", std::string(kShape)};
  const json::object& object = body.as_object();
  if (auto bad = Only(object, "", {"tool", "parameters", "target", "duration_seconds"})) return bad;
  if (auto bad = ReadText(object, "", "tool", spec.tool)) return bad;
  if (auto bad = ReadTarget(object.if_contains("target"), spec.target)) return bad;
  const json::value* seconds = object.if_contains("duration_seconds");
  const std::optional<uint64_t> duration = Integer(seconds, 1, kMaxTaskSeconds);
  if (!duration) {
    return Refusal{"duration_seconds", Bad(seconds),
                   fmt::format("an integer from 1 to {}", kMaxTaskSeconds)};
  }
  spec.duration_seconds = static_cast<int64_t>(*duration);
  return ReadParameters(object.if_contains("parameters"), spec);
}

Objection CheckUnit(const v1::Catalog& catalog, const TaskSpec& spec) {
  const v1::Unit* unit = FindUnit(catalog, spec.tool);
  if (unit == nullptr || !unit->task()) {
    return Refusal{"tool", fmt::format("no tool is called {}", spec.tool), OneOf(Tools(catalog))};
  }
  for (const auto& [name, value] : spec.parameters) {
    if (auto bad = CheckParameter(*unit, "parameters." + name, name, value)) return bad;
  }
  return CheckFilter(*unit, "parameters.filter", spec.filter);
}

}  // namespace huatuo
