// Text that leaves the process is UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace huatuo {

// `text` with each byte that is not part of valid UTF-8 (RFC 3629) replaced by U+FFFD: a process
// may call itself anything, while proto3 strings and JSON must be UTF-8. What is beyond `max_bytes`
// is left out, by whole characters. Pure.
std::string Utf8(std::string_view text, size_t max_bytes = std::string_view::npos);

// Whether all of it is valid UTF-8 (RFC 3629). Pure.
bool IsUtf8(std::string_view text);

}  // namespace huatuo
