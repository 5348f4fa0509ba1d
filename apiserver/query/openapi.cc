#include "apiserver/query/openapi.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "apiserver/query/embedded.h"

namespace huatuo {
namespace {

namespace json = boost::json;

json::object ValueSchema(const Param& param) {
  switch (param.kind) {
    case Param::Kind::kCount:
      return {{"type", "integer"}, {"minimum", param.minimum}, {"maximum", param.maximum}};
    case Param::Kind::kWord:
      return {{"type", "string"}, {"enum", json::array(param.words.begin(), param.words.end())}};
    case Param::Kind::kTime:
    case Param::Kind::kText:
      break;
  }
  return {{"type", "string"}, {"minLength", 1}};
}

json::object Schema(const Param& param) {
  if (!param.repeated) return ValueSchema(param);
  return {{"type", "array"}, {"items", ValueSchema(param)}};
}

json::object Content(const std::string& content_type, const std::string& schema) {
  json::object type{{"type", "string"}};
  if (!schema.empty()) type = {{"$ref", "#/components/schemas/" + schema}};
  return {{content_type, json::object{{"schema", std::move(type)}}}};
}

json::array Parameters(const Route& route) {
  json::array list;
  size_t open = route.pattern.find('{');
  while (open != std::string::npos) {
    const size_t close = route.pattern.find('}', open);
    list.push_back(json::object{{"name", route.pattern.substr(open + 1, close - open - 1)},
                                {"in", "path"},
                                {"required", true},
                                {"schema", {{"type", "string"}}}});
    open = route.pattern.find('{', close);
  }
  for (const Param& param : route.params) {
    list.push_back(json::object{{"name", param.name},
                                {"in", "query"},
                                {"description", param.help + " Accepted: " + Accepted(param) + "."},
                                {"schema", Schema(param)}});
  }
  return list;
}

void AddReply(json::object& replies, const Reply& reply) {
  const std::string key = reply.status == 0 ? "default" : std::to_string(reply.status);
  json::object& member =
      replies.contains(key)
          ? replies[key].as_object()
          : (replies[key] = json::object{{"description", reply.help}, {"content", json::object{}}})
                .as_object();
  for (auto& [type, content] : Content(reply.content_type, reply.schema)) {
    member["content"].as_object()[type] = content;
  }
}

json::object Operation(const Route& route) {
  json::object operation{{"summary", route.help}, {"parameters", Parameters(route)}};
  if (!route.body_schema.empty()) {
    operation["requestBody"] = {{"required", true},
                                {"content", Content("application/json", route.body_schema)}};
  }
  json::object replies;
  for (const Reply& reply : route.replies) AddReply(replies, reply);
  AddReply(replies, {0, "Any error.", "application/problem+json", "Problem"});
  operation["responses"] = std::move(replies);
  json::array security;
  if (route.role != Role::kPublic) security.push_back(json::object{{"bearer", json::array()}});
  operation["security"] = std::move(security);
  return operation;
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c | 0x20);
  return text;
}

}  // namespace

std::string OpenApi(const std::vector<Route>& routes) {
  json::object paths;
  for (const Route& route : routes) {
    json::value& path = paths[route.pattern];
    if (!path.is_object()) path.emplace_object();
    path.as_object()[Lower(route.method)] = Operation(route);
  }
  const json::object document{
      {"openapi", "3.1.0"},
      {"info", {{"title", "HUATUO apiserver"}, {"version", HUATUO_VERSION}}},
      {"paths", std::move(paths)},
      {"components",
       {{"schemas", json::parse({SchemasJson().data(), SchemasJson().size()})},
        {"securitySchemes", {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
  return json::serialize(document);
}

}  // namespace huatuo
