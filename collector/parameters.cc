#include "collector/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "collector/syscalls.h"
#include "common/packet_filter.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr std::string_view kFilter = "filter";

absl::StatusOr<uint64_t> Number(std::string_view name, std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return InvalidArgument(fmt::format("{}: \"{}\": an integer is accepted", name, text));
}

absl::StatusOr<const Unit*> FindUnit(std::span<const Unit* const> units, std::string_view name) {
  const auto found = std::ranges::find(units, name, &Unit::name);
  if (found != units.end()) return *found;
  return InvalidArgument(fmt::format("\"{}\": no such unit", name));
}

}  // namespace

absl::Status OverrideParameters(
    const Unit& unit, const google::protobuf::RepeatedPtrField<v1::ParameterValue>& values,
    std::vector<uint64_t>& parameters) {
  for (const v1::ParameterValue& value : values) {
    const auto found = std::ranges::find(unit.parameters, value.name(), &Parameter::name);
    if (found == unit.parameters.end()) {
      return InvalidArgument(
          fmt::format("{}: unit {} has no such parameter", value.name(), unit.name));
    }
    if (value.value() < found->minimum || value.value() > found->maximum) {
      return InvalidArgument(fmt::format("{}: {}: accepted are {} to {}", value.name(),
                                         value.value(), found->minimum, found->maximum));
    }
    parameters[static_cast<size_t>(found - unit.parameters.begin())] = value.value();
  }
  return absl::OkStatus();
}

absl::Status CheckFilter(const Unit& unit, std::string_view text) {
  if (text.empty()) return absl::OkStatus();
  if (unit.filter.empty()) {
    return InvalidArgument(fmt::format("{}: unit {} has none", kFilter, unit.name));
  }
  if (unit.filter == "packet") return Annotate(ParsePacketFilter(text).status(), kFilter);
  if (unit.filter == "syscalls") return Annotate(ParseSyscalls(text).status(), kFilter);
  return absl::OkStatus();
}

absl::StatusOr<v1::SetParameters> ParseAssignment(std::span<const Unit* const> units,
                                                  std::string_view text) {
  const size_t dot = text.find('.');
  const size_t equal = text.find('=');
  if (dot == text.npos || equal == text.npos || equal < dot) {
    return InvalidArgument(
        fmt::format("\"{}\": accepted are UNIT.PARAMETER=NUMBER and UNIT.filter=TEXT", text));
  }
  ASSIGN_OR_RETURN(const Unit* unit, FindUnit(units, text.substr(0, dot)));
  const std::string_view name = text.substr(dot + 1, equal - dot - 1);
  const std::string_view value = text.substr(equal + 1);
  v1::SetParameters change;
  change.set_unit(std::string(unit->name));
  if (name == kFilter) {
    change.set_filter(std::string(value));
    RETURN_IF_ERROR(CheckFilter(*unit, value));
    return change;
  }
  v1::ParameterValue& set = *change.add_values();
  set.set_name(std::string(name));
  ASSIGN_OR_RETURN(const uint64_t number, Number(name, value));
  set.set_value(number);
  std::vector<uint64_t> ignored(unit->parameters.size());
  RETURN_IF_ERROR(OverrideParameters(*unit, change.values(), ignored));
  return change;
}

}  // namespace huatuo
