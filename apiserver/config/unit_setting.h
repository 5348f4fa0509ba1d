// What people may want of a unit, checked against what a catalog says of it.
//
// Pure and thread-safe.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/refusal.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// Null: the catalog has none of this name.
const v1::Unit* FindUnit(const v1::Catalog& catalog, std::string_view name);
std::vector<std::string> UnitNames(const v1::Catalog& catalog);

// `field` is what a refusal calls it.
Objection CheckParameter(const v1::Unit& unit, const std::string& field, std::string_view name,
                         uint64_t value);
// Where the text stops making sense, and why. Of a language that is not known here, the node says
// so itself.
Objection CheckFilter(const v1::Unit& unit, const std::string& field, std::string_view text);

// Reads one member of an object {parameter: integer, "filter": text, "enabled": true or false}.
// Without `unit` only the form is checked.
Objection ReadSetting(const v1::Unit* unit, const std::string& field, std::string_view name,
                      const boost::json::value& value, v1::UnitSettings& settings);

}  // namespace huatuo
