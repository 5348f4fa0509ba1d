// JSON as the body of requests and replies.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>

#include "apiserver/query/http.h"

namespace huatuo {

// Parses the body into `value`. Returns the problem when it is not JSON or is called something
// else.
std::optional<Response> ReadJson(const Request& request, boost::json::value& value);

Response JsonReply(const boost::json::object& object, int status = 200);
// {"items": …}, without a further page.
Response ListReply(boost::json::array items);

}  // namespace huatuo
