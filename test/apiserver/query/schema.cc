#include "test/apiserver/query/schema.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <functional>
#include <map>
#include <regex>

namespace huatuo {
namespace {

namespace json = boost::json;

struct Place {
  const json::object& schema;
  const json::value& value;
  const json::value& root;
  std::string where;
};

bool IsType(const json::value& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_bool();
  if (type == "null") return value.is_null();
  if (type == "integer") return value.is_int64() || value.is_uint64();
  return type == "number" && value.is_number();
}

std::string View(const json::string& text) { return {text.data(), text.size()}; }

std::string CheckType(const Place& p, const json::value& type) {
  bool good = false;
  if (type.is_string()) {
    good = IsType(p.value, View(type.as_string()));
  } else {
    for (const auto& one : type.as_array()) good |= IsType(p.value, View(one.as_string()));
  }
  return good ? "" : fmt::format("{} is not {}", json::serialize(p.value), json::serialize(type));
}

std::string CheckRequired(const Place& p, const json::value& names) {
  if (!p.value.is_object()) return "";
  for (const auto& name : names.as_array()) {
    if (!p.value.as_object().contains(name.as_string())) {
      return fmt::format("misses {}", View(name.as_string()));
    }
  }
  return "";
}

std::string CheckProperties(const Place& p, const json::value& properties) {
  if (!p.value.is_object()) return "";
  for (const auto& member : p.value.as_object()) {
    const json::value* schema = properties.as_object().if_contains(member.key());
    if (!schema) continue;
    std::string error =
        SchemaError(*schema, member.value(), p.root, p.where + "." + std::string(member.key()));
    if (!error.empty()) return error;
  }
  return "";
}

std::string CheckAdditional(const Place& p, const json::value& additional) {
  if (!p.value.is_object()) return "";
  const json::value* properties = p.schema.if_contains("properties");
  for (const auto& member : p.value.as_object()) {
    const std::string key(member.key());
    if (properties && properties->as_object().contains(key)) continue;
    if (additional.is_bool()) return additional.as_bool() ? "" : "has an extra " + key;
    std::string error = SchemaError(additional, member.value(), p.root, p.where + "." + key);
    if (!error.empty()) return error;
  }
  return "";
}

std::string CheckItems(const Place& p, const json::value& schema) {
  if (!p.value.is_array()) return "";
  for (const auto& item : p.value.as_array()) {
    std::string error = SchemaError(schema, item, p.root, p.where + "[]");
    if (!error.empty()) return error;
  }
  return "";
}

std::string CheckReference(const Place& p, const json::value& reference) {
  const std::string pointer = View(reference.as_string()).substr(1);
  boost::system::error_code error;
  const json::value* target = p.root.find_pointer(pointer, error);
  if (!target) return "unknown reference " + pointer;
  return SchemaError(*target, p.value, p.root, p.where);
}

std::string CheckEnum(const Place& p, const json::value& values) {
  for (const auto& value : values.as_array()) {
    if (value == p.value) return "";
  }
  return fmt::format("{} is not one of {}", json::serialize(p.value), json::serialize(values));
}

std::string CheckPattern(const Place& p, const json::value& pattern) {
  if (!p.value.is_string()) return "";
  const bool found =
      std::regex_search(View(p.value.as_string()), std::regex(View(pattern.as_string())));
  return found ? "" : "does not match " + View(pattern.as_string());
}

std::string CheckAllOf(const Place& p, const json::value& schemas) {
  for (const auto& schema : schemas.as_array()) {
    std::string error = SchemaError(schema, p.value, p.root, p.where);
    if (!error.empty()) return error;
  }
  return "";
}

std::string CheckAnyOf(const Place& p, const json::value& schemas) {
  std::string errors;
  for (const auto& schema : schemas.as_array()) {
    const std::string error = SchemaError(schema, p.value, p.root, p.where);
    if (error.empty()) return "";
    errors += (errors.empty() ? "" : ", and ") + error;
  }
  return errors;
}

std::string CheckMinimum(const Place& p, const json::value& minimum) {
  if (!p.value.is_number()) return "";
  return p.value.to_number<double>() >= minimum.to_number<double>() ? "" : "below the minimum";
}

using Check = std::function<std::string(const Place&, const json::value&)>;
const std::map<std::string, Check>& Checks() {
  static const std::map<std::string, Check> kChecks = {
      {"type", CheckType},
      {"required", CheckRequired},
      {"properties", CheckProperties},
      {"additionalProperties", CheckAdditional},
      {"items", CheckItems},
      {"$ref", CheckReference},
      {"enum", CheckEnum},
      {"pattern", CheckPattern},
      {"allOf", CheckAllOf},
      {"anyOf", CheckAnyOf},
      {"minimum", CheckMinimum},
      {"description", [](const Place&, const json::value&) { return std::string(); }}};
  return kChecks;
}

bool PathMatches(std::string_view pattern, std::string_view path) {
  const std::regex variables(R"(\{[^}]*\})");
  const std::string expression = std::regex_replace(std::string(pattern), variables, "[^/]+");
  return std::regex_match(std::string(path), std::regex(expression));
}

}  // namespace

std::string SchemaError(const json::value& schema, const json::value& value,
                        const json::value& root, const std::string& where) {
  const Place place{schema.as_object(), value, root, where};
  for (const auto& keyword : schema.as_object()) {
    const auto check = Checks().find(std::string(keyword.key()));
    if (check == Checks().end()) return "unknown keyword " + std::string(keyword.key());
    std::string error = check->second(place, keyword.value());
    if (!error.empty()) return error.starts_with('$') ? error : fmt::format("{} {}", where, error);
  }
  return "";
}

const json::value* ReplySchema(const json::value& openapi, std::string_view method,
                               std::string_view path, int status, std::string_view content_type) {
  const json::object& paths = openapi.at("paths").as_object();
  const json::value* operations = paths.if_contains(std::string(path));
  for (const auto& candidate : paths) {
    if (!operations && PathMatches(std::string(candidate.key()), path)) {
      operations = &candidate.value();
    }
  }
  const json::value* operation =
      operations ? operations->as_object().if_contains(std::string(method)) : nullptr;
  if (!operation) return nullptr;
  const json::object& replies = operation->at("responses").as_object();
  const std::string type(content_type.substr(0, content_type.find(';')));
  for (const std::string& key : {std::to_string(status), std::string("default")}) {
    const json::value* reply = replies.if_contains(key);
    const json::value* content =
        reply ? reply->at("content").as_object().if_contains(type) : nullptr;
    if (content) return &content->at("schema");
  }
  return nullptr;
}

}  // namespace huatuo
