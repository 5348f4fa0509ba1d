#include "apiserver/query/body.h"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "apiserver/query/problem.h"

namespace huatuo {

std::optional<Response> ReadJson(const Request& request, boost::json::value& value) {
  const std::string_view type = request.Header("content-type");
  if (!type.empty() && !type.starts_with("application/json")) {
    return ParameterProblem(415, "Content-Type", fmt::format("not {}", type), "application/json");
  }
  boost::system::error_code error;
  value = boost::json::parse({request.body.data(), request.body.size()}, error);
  if (!error) return std::nullopt;
  return Problem(400, fmt::format("the body is not JSON: {}", error.message()));
}

Response JsonReply(const boost::json::object& object, int status) {
  Response response;
  response.status = status;
  response.body = boost::json::serialize(object);
  return response;
}

Response ListReply(boost::json::array items) {
  return JsonReply({{"items", std::move(items)}, {"next_cursor", nullptr}});
}

}  // namespace huatuo
