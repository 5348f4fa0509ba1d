// Compression of replies.
#pragma once

#include <string>
#include <string_view>

namespace huatuo {

// `text` in gzip format (RFC 1952). Level 1 of 9: replies are made while somebody waits, and text
// of this kind shrinks to about a tenth at any level.
std::string Gzip(std::string_view text, int level = 1);

}  // namespace huatuo
