// The part of JSON Schema that our OpenAPI document uses.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

namespace huatuo {

// Where `value` breaks `schema` and how, or empty. A keyword that is not known here is an error
// too. `root`: the document that "#/…" references are resolved in.
std::string SchemaError(const boost::json::value& schema, const boost::json::value& value,
                        const boost::json::value& root, const std::string& where = "$");

// The schema of a reply in an OpenAPI document, found as a client would: by path template, method,
// status or "default", and content type. Null when the document does not allow that reply.
const boost::json::value* ReplySchema(const boost::json::value& openapi, std::string_view method,
                                      std::string_view path, int status,
                                      std::string_view content_type);

}  // namespace huatuo
