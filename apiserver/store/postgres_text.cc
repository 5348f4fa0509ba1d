#include "apiserver/store/postgres_text.h"

#include <fmt/format.h>

#include "common/id.h"
#include "common/utf8.h"

namespace huatuo {
namespace {

constexpr std::string_view kMark = "\\x";

int Digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

}  // namespace

bool IsPlainText(std::string_view text) {
  return !text.starts_with(kMark) && text.find('\0') == std::string_view::npos && IsUtf8(text);
}

std::string EncodeText(std::string_view text) {
  return IsPlainText(text) ? std::string(text) : ByteaText(text);
}

std::string DecodeText(std::string_view stored) {
  if (!stored.starts_with(kMark)) return std::string(stored);
  std::string bytes(stored.size() / 2 - 1, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(Digit(stored[2 * i + 2]) << 4 | Digit(stored[2 * i + 3]));
  }
  return bytes;
}

std::string ByteaText(std::string_view bytes) { return std::string(kMark) + Hex(bytes); }

std::string TextArray(std::span<const std::string> texts) {
  std::string out = "{";
  for (const std::string& text : texts) {
    out += out.size() > 1 ? ",\"" : "\"";
    for (const char c : EncodeText(text)) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

std::string IntArray(std::span<const int64_t> numbers) {
  return fmt::format("{{{}}}", fmt::join(numbers, ","));
}

}  // namespace huatuo
