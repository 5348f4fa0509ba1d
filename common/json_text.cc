#include "common/json_text.h"

#include <fmt/compile.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/string_view.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "common/utf8.h"

namespace huatuo {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighs = 0x8080808080808080;

// Whether one of eight bytes, all of them below 128, is below `bound`: only such a one, or a borrow
// from one, sets a highest bit.
bool AnyBelow(uint64_t bytes, uint64_t bound) { return ((bytes - kOnes * bound) & kHighs) != 0; }

// What stands for itself between quotes: ASCII without control characters, quote and backslash.
bool Plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= ' ' && byte < 0x80 && c != '"' && c != '\\';
}

// The same of eight bytes at a time, since all of a document is looked at.
bool Plain(std::string_view text) {
  while (text.size() >= sizeof(uint64_t)) {
    uint64_t bytes = 0;
    std::memcpy(&bytes, text.data(), sizeof(bytes));
    if ((bytes & kHighs) != 0 || AnyBelow(bytes, ' ') || AnyBelow(bytes ^ (kOnes * '"'), 1) ||
        AnyBelow(bytes ^ (kOnes * '\\'), 1)) {
      return false;
    }
    text.remove_prefix(sizeof(bytes));
  }
  return std::ranges::all_of(text, [](char c) { return Plain(c); });
}

}  // namespace

void JsonText::Begin(char bracket) {
  Separate();
  text_.push_back(bracket);
  comma_ = false;
}

void JsonText::End(char bracket) {
  text_.push_back(bracket);
  comma_ = true;
}

void JsonText::Separate() {
  if (comma_) text_.push_back(',');
  comma_ = true;
}

void JsonText::Word(std::string_view word) {
  Separate();
  Append(word);
}

void JsonText::Key(std::string_view key) {
  Text(key);
  text_.push_back(':');
  comma_ = false;
}

void JsonText::Text(std::string_view text) {
  BeginText();
  Part(text);
  EndText();
}

void JsonText::BeginText() {
  Separate();
  text_.push_back('"');
}

void JsonText::EndText() { text_.push_back('"'); }

void JsonText::Part(std::string_view text) {
  if (Plain(text)) return Append(text);
  const std::string valid = Utf8(text);
  const std::string quoted = boost::json::serialize(boost::json::string_view(valid));
  Append(std::string_view(quoted).substr(1, quoted.size() - 2));
}

void JsonText::Hex(uint64_t number) {
  fmt::format_to(fmt::appender(text_), FMT_COMPILE("0x{:x}"), number);
}

void JsonText::Uint(uint64_t number) {
  const fmt::format_int digits(number);
  Word({digits.data(), digits.size()});
}

void JsonText::Sint(int64_t number) {
  const fmt::format_int digits(number);
  Word({digits.data(), digits.size()});
}

void JsonText::Number(double number) {
  if (!std::isfinite(number)) return Null();
  Separate();
  const size_t begin = text_.size();
  fmt::format_to(fmt::appender(text_), FMT_COMPILE("{}"), number);
  if (text().find_first_of(".e", begin) == std::string_view::npos) Append(".0");
}

}  // namespace huatuo
