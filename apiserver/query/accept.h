// What a client accepts, of the headers Accept and Accept-Encoding (RFC 9110, section 12.5).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace huatuo {

struct AcceptedItem {
  std::string name;  // lower case: "text/plain", "gzip", "*"
  double q = 1;      // 0: not acceptable
  std::vector<std::pair<std::string, std::string>> parameters;  // without q; names in lower case

  // Empty when there is none.
  std::string_view Parameter(std::string_view name) const;
};

// In the order of the header; an item whose q is no number from 0 to 1 is left out.
std::vector<AcceptedItem> ParseAccept(std::string_view header);

// Whether a reply may be sent with `Content-Encoding: gzip`.
bool AcceptsGzip(std::string_view accept_encoding);

}  // namespace huatuo
