// String literals of PromQL, which are those of Go.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace huatuo {

// What went wrong in a text, and where.
struct TextError {
  size_t position = 0;  // of the byte, from 0
  std::string what;
};

// Reads the literal that begins at `at`, "…", '…' or `…`, into `value`, and sets `at` behind it.
// The value is UTF-8.
std::optional<TextError> ReadQuoted(std::string_view text, size_t& at, std::string& value);

}  // namespace huatuo
