#include "apiserver/query/http.h"

#include <fmt/format.h>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace huatuo {
namespace {

// RFC 3986 wants these encoded in a query; clients such as curl send them as they are typed.
std::string EncodeQuery(std::string_view target) {
  constexpr std::string_view kBare = "[]{}\"|\\^`<>";
  std::string encoded(target.substr(0, target.find('?')));
  for (const char c : target.substr(encoded.size())) {
    if (kBare.find(c) == std::string_view::npos) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

}  // namespace

std::string_view Request::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

bool ParseTarget(std::string_view target, Request& request) {
  const std::string encoded = EncodeQuery(target);
  const auto url = boost::urls::parse_origin_form(encoded);
  if (!url) return false;
  request.path = url->path();
  for (const auto& segment : url->segments()) request.segments.emplace_back(segment);
  for (const auto& param : url->params()) request.query.emplace_back(param.key, param.value);
  return true;
}

std::string_view ReasonPhrase(int status) {
  static constexpr std::pair<int, std::string_view> kPhrases[] = {
      {200, "OK"},
      {201, "Created"},
      {304, "Not Modified"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {409, "Conflict"},
      {413, "Content Too Large"},
      {415, "Unsupported Media Type"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {503, "Service Unavailable"},
  };
  for (const auto& [code, phrase] : kPhrases) {
    if (code == status) return phrase;
  }
  return "Error";
}

}  // namespace huatuo
