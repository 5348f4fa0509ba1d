#include "apiserver/config/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <set>

#include "apiserver/config/unit_setting.h"

namespace huatuo {
namespace {

namespace json = boost::json;

// What bounds a document, and the time that laying it out for a node takes.
constexpr size_t kMaxOverrides = 64;
constexpr size_t kMaxPatterns = 64;
constexpr size_t kMaxText = 253;

constexpr std::string_view kUnitShape =
    R"({unit: {parameter: integer, "filter": text, "enabled": true or false}})";

struct SelectorList {
  const char* name;
  std::vector<NodePattern> NodeSelector::*list;
};
constexpr SelectorList kLists[] = {{"nodes", &NodeSelector::nodes},
                                   {"regions", &NodeSelector::regions},
                                   {"kernels", &NodeSelector::kernels}};

Objection ReadUnit(const v1::Catalog* catalog, const std::string& field, const std::string& name,
                   const json::value& value, v1::UnitSettings& settings) {
  settings.set_unit(name);
  const v1::Unit* unit = catalog == nullptr ? nullptr : FindUnit(*catalog, name);
  if (catalog != nullptr && unit == nullptr) {
    return Refusal{field, fmt::format("no node has a unit {}", name), OneOf(UnitNames(*catalog))};
  }
  if (!value.is_object()) return Refusal{field, "not an object", std::string(kUnitShape)};
  for (const auto& member : value.as_object()) {
    const std::string key(member.key());
    const std::string at = fmt::format("{}.{}", field, key);
    if (auto bad = ReadSetting(unit, at, key, member.value(), settings)) return bad;
  }
  return std::nullopt;
}

Objection ReadUnits(const v1::Catalog* catalog, const std::string& field, const json::value& value,
                    UnitWishes& units) {
  if (!value.is_object()) return Refusal{field, "not an object", std::string(kUnitShape)};
  for (const auto& member : value.as_object()) {
    const std::string name(member.key());
    const std::string at = fmt::format("{}.{}", field, name);
    if (auto bad = ReadUnit(catalog, at, name, member.value(), units[name])) return bad;
  }
  return std::nullopt;
}

NodePattern MakePattern(std::string_view text) {
  std::string expression;
  for (const char c : text) {
    if (c == '*') {
      expression += ".*";
    } else if (c == '?') {
      expression += '.';
    } else {
      expression += RE2::QuoteMeta(re2::StringPiece(&c, 1));
    }
  }
  return {std::string(text), std::make_shared<const RE2>(expression, RE2::Latin1)};
}

Objection ReadPatterns(const std::string& field, const json::value& value,
                       std::vector<NodePattern>& patterns) {
  const std::string accepted =
      fmt::format("an array of 1 to {} texts of 1 to {} bytes, in which * and ? may stand",
                  kMaxPatterns, kMaxText);
  const Refusal bad{field, "bad value " + json::serialize(value), accepted};
  if (!value.is_array() || value.as_array().empty() || value.as_array().size() > kMaxPatterns) {
    return bad;
  }
  for (const json::value& item : value.as_array()) {
    if (!item.is_string() || item.as_string().empty() || item.as_string().size() > kMaxText) {
      return bad;
    }
    patterns.push_back(MakePattern({item.as_string().data(), item.as_string().size()}));
  }
  return std::nullopt;
}

Objection ReadName(const std::string& field, const json::object& object, std::string& name) {
  const json::value* value = object.if_contains("name");
  if (value != nullptr && value->is_string() && !value->as_string().empty() &&
      value->as_string().size() <= kMaxText) {
    name = value->as_string().c_str();
    return std::nullopt;
  }
  return Refusal{field + ".name", value == nullptr ? "missing" : "bad value",
                 fmt::format("a text of 1 to {} bytes", kMaxText)};
}

Objection ReadOverride(const v1::Catalog* catalog, const std::string& field,
                       const json::value& value, ConfigOverride& one) {
  constexpr std::string_view kMembers = "name, nodes, regions, kernels, units";
  if (!value.is_object()) return Refusal{field, "not an object", std::string(kMembers)};
  const json::object& object = value.as_object();
  if (auto bad = ReadName(field, object, one.name)) return bad;
  for (const auto& member : object) {
    const std::string key(member.key());
    const std::string at = fmt::format("{}.{}", field, key);
    const auto list = std::ranges::find(kLists, key, &SelectorList::name);
    Objection bad;
    if (list != std::end(kLists)) {
      bad = ReadPatterns(at, member.value(), one.selector.*list->list);
    } else if (key == "units") {
      bad = ReadUnits(catalog, at, member.value(), one.units);
    } else if (key != "name") {
      bad = Refusal{at, "unknown member", std::string(kMembers)};
    }
    if (bad) return bad;
  }
  return std::nullopt;
}

Objection ReadOverrides(const v1::Catalog* catalog, const json::value& value,
                        std::vector<ConfigOverride>& overrides) {
  const std::string accepted = fmt::format("an array of at most {} overrides", kMaxOverrides);
  if (!value.is_array()) return Refusal{"overrides", "not an array", accepted};
  if (value.as_array().size() > kMaxOverrides) {
    return Refusal{"overrides", fmt::format("{} overrides", value.as_array().size()), accepted};
  }
  std::set<std::string> names;
  for (const json::value& item : value.as_array()) {
    const std::string field = fmt::format("overrides[{}]", overrides.size());
    if (auto bad = ReadOverride(catalog, field, item, overrides.emplace_back())) return bad;
    if (names.insert(overrides.back().name).second) continue;
    return Refusal{field + ".name", overrides.back().name + ": there is one already",
                   "names that differ"};
  }
  return std::nullopt;
}

bool Names(const std::vector<NodePattern>& patterns, const std::string& text) {
  return patterns.empty() || std::ranges::any_of(patterns, [&text](const NodePattern& pattern) {
           return RE2::FullMatch(text, *pattern.expression);
         });
}

bool Selects(const NodeSelector& selector, const v1::Hello& node) {
  return Names(selector.nodes, node.node()) && Names(selector.regions, node.region()) &&
         Names(selector.kernels, node.kernel_release());
}

void Lay(const UnitWishes& over, UnitWishes& units) {
  for (const auto& [name, settings] : over) {
    v1::UnitSettings& under = units[name];
    under.set_unit(name);
    if (settings.has_filter()) under.set_filter(settings.filter());
    if (settings.has_enabled()) under.set_enabled(settings.enabled());
    for (const v1::ParameterValue& value : settings.values()) {
      const auto found = std::ranges::find(*under.mutable_values(), value.name(),
                                           [](const auto& one) { return one.name(); });
      (found == under.mutable_values()->end() ? *under.add_values() : *found) = value;
    }
  }
}

json::object UnitsJson(const UnitWishes& units) {
  json::object object;
  for (const auto& [name, settings] : units) {
    json::object& unit = object[name].emplace_object();
    for (const v1::ParameterValue& value : settings.values()) unit[value.name()] = value.value();
    if (settings.has_filter()) unit["filter"] = settings.filter();
    if (settings.has_enabled()) unit["enabled"] = settings.enabled();
  }
  return object;
}

json::object OverrideJson(const ConfigOverride& one) {
  json::object object{{"name", one.name}};
  for (const SelectorList& list : kLists) {
    json::array patterns;
    for (const NodePattern& pattern : one.selector.*list.list) patterns.emplace_back(pattern.text);
    if (!patterns.empty()) object[list.name] = std::move(patterns);
  }
  object["units"] = UnitsJson(one.units);
  return object;
}

}  // namespace

Objection ReadConfig(const json::object& object, const std::vector<std::string>& beside,
                     const v1::Catalog* units, ConfigDocument& document) {
  for (const auto& member : object) {
    const std::string key(member.key());
    Objection bad;
    if (key == "defaults") {
      bad = ReadUnits(units, key, member.value(), document.defaults);
    } else if (key == "overrides") {
      bad = ReadOverrides(units, member.value(), document.overrides);
    } else if (std::ranges::find(beside, key) == beside.end()) {
      bad = Refusal{key, "unknown member", "defaults, overrides, comment, version"};
    }
    if (bad) return bad;
  }
  return std::nullopt;
}

json::object ConfigJson(const ConfigDocument& document) {
  json::array overrides;
  for (const ConfigOverride& one : document.overrides) overrides.push_back(OverrideJson(one));
  return {{"defaults", UnitsJson(document.defaults)}, {"overrides", std::move(overrides)}};
}

v1::Configure ConfigFor(const ConfigDocument& document, const v1::Hello& node) {
  UnitWishes units = document.defaults;
  for (const ConfigOverride& one : document.overrides) {
    if (Selects(one.selector, node)) Lay(one.units, units);
  }
  v1::Configure configure;
  for (auto& [name, settings] : units) *configure.add_units() = std::move(settings);
  return configure;
}

}  // namespace huatuo
