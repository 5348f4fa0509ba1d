#include "apiserver/config/unit_setting.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "common/packet_filter.h"
#include "common/status.h"

namespace huatuo {
namespace {

namespace json = boost::json;

std::string BadValue(const json::value& value) { return "bad value " + json::serialize(value); }

std::string Range(const v1::Parameter& parameter) {
  return fmt::format("an integer from {} to {}{}{}", parameter.minimum(), parameter.maximum(),
                     parameter.unit().empty() ? "" : " in ", parameter.unit());
}

bool InRange(const v1::Parameter& parameter, uint64_t value) {
  return value >= parameter.minimum() && value <= parameter.maximum();
}

const v1::Parameter* FindParameter(const v1::Unit& unit, std::string_view name) {
  for (const v1::Parameter& parameter : unit.parameters()) {
    if (parameter.name() == name) return &parameter;
  }
  return nullptr;
}

Refusal NoSuchParameter(const v1::Unit& unit, const std::string& field) {
  std::vector<std::string> names;
  for (const v1::Parameter& parameter : unit.parameters()) names.push_back(parameter.name());
  if (!unit.filter().empty()) names.emplace_back("filter");
  return {field, fmt::format("the unit {} has no such parameter", unit.name()), OneOf(names)};
}

}  // namespace

const v1::Unit* FindUnit(const v1::Catalog& catalog, std::string_view name) {
  for (const v1::Unit& unit : catalog.units()) {
    if (unit.name() == name) return &unit;
  }
  return nullptr;
}

std::vector<std::string> UnitNames(const v1::Catalog& catalog) {
  std::vector<std::string> names;
  for (const v1::Unit& unit : catalog.units()) names.push_back(unit.name());
  return names;
}

Objection CheckParameter(const v1::Unit& unit, const std::string& field, std::string_view name,
                         uint64_t value) {
  const v1::Parameter* parameter = FindParameter(unit, name);
  if (parameter == nullptr) return NoSuchParameter(unit, field);
  if (InRange(*parameter, value)) return std::nullopt;
  return Refusal{field, fmt::format("bad value {}", value), Range(*parameter)};
}

Objection CheckFilter(const v1::Unit& unit, const std::string& field, std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (unit.filter().empty()) {
    return Refusal{field, fmt::format("the unit {} has no filter", unit.name()), "no filter"};
  }
  if (unit.filter() != "packet") return std::nullopt;
  const absl::Status parsed = ParsePacketFilter(text).status();
  if (parsed.ok()) return std::nullopt;
  return Refusal{field, Message(parsed), std::string(kPacketFilterTerms)};
}

Objection ReadSetting(const v1::Unit* unit, const std::string& field, std::string_view name,
                      const json::value& value, v1::UnitSettings& settings) {
  if (name == "filter") {
    if (!value.is_string()) return Refusal{field, BadValue(value), "a text"};
    settings.set_filter(value.as_string().c_str());
    return unit == nullptr ? std::nullopt : CheckFilter(*unit, field, settings.filter());
  }
  if (name == "enabled") {
    if (!value.is_bool()) return Refusal{field, BadValue(value), "true or false"};
    settings.set_enabled(value.as_bool());
    return std::nullopt;
  }
  const v1::Parameter* parameter = unit == nullptr ? nullptr : FindParameter(*unit, name);
  if (unit != nullptr && parameter == nullptr) return NoSuchParameter(*unit, field);
  boost::system::error_code error;
  const auto number = value.is_number() ? value.to_number<uint64_t>(error) : uint64_t{0};
  if (!value.is_number() || error || (parameter != nullptr && !InRange(*parameter, number))) {
    return Refusal{field, BadValue(value), parameter == nullptr ? "an integer" : Range(*parameter)};
  }
  v1::ParameterValue& added = *settings.add_values();
  added.set_name(std::string(name));
  added.set_value(number);
  return std::nullopt;
}

}  // namespace huatuo
