#include "apiserver/query/quoted.h"

#include <charconv>
#include <cstdint>

#include "common/utf8.h"

namespace huatuo {
namespace {

struct Simple {
  char letter;
  char meaning;
};
constexpr Simple kSimple[] = {{'a', '\a'}, {'b', '\b'}, {'f', '\f'},  {'n', '\n'}, {'r', '\r'},
                              {'t', '\t'}, {'v', '\v'}, {'\\', '\\'}, {'"', '"'},  {'\'', '\''}};

// An escape of `digits` digits, that many behind `skip` letters.
struct Numeric {
  char letter;
  size_t skip;
  size_t digits;
  int base;
  bool byte;  // else a code point
};
constexpr Numeric kNumeric[] = {
    {'x', 1, 2, 16, true}, {'u', 1, 4, 16, false}, {'U', 1, 8, 16, false}};

void AppendCodePoint(std::string& out, uint32_t point) {
  const auto tail = [&](int shift) {
    out.push_back(static_cast<char>(0x80 | ((point >> shift) & 0x3f)));
  };
  if (point < 0x80) {
    out.push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    out.push_back(static_cast<char>(0xc0 | (point >> 6)));
    tail(0);
  } else if (point < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | (point >> 12)));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xf0 | (point >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::optional<Numeric> NumericOf(char letter) {
  for (const Numeric& numeric : kNumeric) {
    if (numeric.letter == letter) return numeric;
  }
  if (letter >= '0' && letter <= '7') return Numeric{letter, 0, 3, 8, true};
  return std::nullopt;
}

// `at` is behind the backslash; false when it is no escape.
bool ReadEscape(std::string_view text, size_t& at, std::string& value) {
  if (at >= text.size()) return false;
  for (const Simple& simple : kSimple) {
    if (simple.letter != text[at]) continue;
    value.push_back(simple.meaning);
    ++at;
    return true;
  }
  const std::optional<Numeric> numeric = NumericOf(text[at]);
  if (!numeric) return false;
  const std::string_view digits = text.substr(at).substr(numeric->skip).substr(0, numeric->digits);
  uint32_t number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, numeric->base);
  if (error != std::errc() || end != digits.data() + numeric->digits) return false;
  const bool surrogate = number >= 0xd800 && number < 0xe000;
  if (numeric->byte ? number > 0xff : number > 0x10ffff || surrogate) return false;
  at += numeric->skip + numeric->digits;
  if (numeric->byte) {
    value.push_back(static_cast<char>(number));
  } else {
    AppendCodePoint(value, number);
  }
  return true;
}

}  // namespace

std::optional<TextError> ReadQuoted(std::string_view text, size_t& at, std::string& value) {
  const size_t begin = at;
  const char quote = begin < text.size() ? text[begin] : '\0';
  if (quote != '"' && quote != '\'' && quote != '`') return TextError{begin, "expected a string"};
  value.clear();
  for (++at; at < text.size();) {
    const char c = text[at];
    if (c == quote) {
      ++at;
      if (!IsUtf8(value)) return TextError{begin, "the string is not UTF-8"};
      return std::nullopt;
    }
    if (c == '\n' && quote != '`') break;
    ++at;
    if (c != '\\' || quote == '`') {
      value.push_back(c);
    } else if (!ReadEscape(text, at, value)) {
      return TextError{at - 1, "unknown escape"};
    }
  }
  return TextError{begin, "the string does not end"};
}

}  // namespace huatuo
