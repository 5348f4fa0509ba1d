// Words, lines and numbers of the kernel's text files, without a copy.
//
// Pure. A file is believed whole or not at all: the last line of one that was cut has no end, and
// Line gives nullopt for it.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace huatuo {

// Takes the next line of `text`, without its end; nullopt when there is no whole one left.
inline std::optional<std::string_view> Line(std::string_view& text) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

// Takes the next word of `line`; empty at its end. Blanks and tabs are between words.
inline std::string_view Word(std::string_view& line) {
  line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t")));
  const std::string_view word = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(word.size());
  return word;
}

// The whole word as a number; false when it is none, or does not fit.
template <typename T, typename... Base>
bool ParseNumber(std::string_view word, T& number, Base... base) {
  const char* const end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, number, base...);
  return error == std::errc() && stop == end;
}

// A count that the kernel may print as a negative one; at most 64 bits. Beyond 2^53 it is rounded.
std::optional<double> ParseCount(std::string_view word);

}  // namespace huatuo
