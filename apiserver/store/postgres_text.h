// Texts of any bytes in PostgreSQL, whose own texts have neither NUL nor invalid UTF-8.
//
// A text is stored as it is, so that people can read and search it, unless PostgreSQL would refuse
// it or it begins with `\x` itself; it is then stored as `\x` and the hex digits of its bytes, as
// PostgreSQL writes a bytea. Equal texts are stored equally and others differently. Pure and
// thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace huatuo {

// Whether it is stored as it is.
bool IsPlainText(std::string_view text);

std::string EncodeText(std::string_view text);

// What EncodeText was given; also the bytes of a bytea.
std::string DecodeText(std::string_view stored);

// A bytea literal of any bytes.
std::string ByteaText(std::string_view bytes);

// Array literals: {"a","b"} and {1,2}; texts are encoded.
std::string TextArray(std::span<const std::string> texts);
std::string IntArray(std::span<const int64_t> numbers);

}  // namespace huatuo
