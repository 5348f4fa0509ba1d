#include "common/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace huatuo {
namespace {

using Byte = unsigned char;

// Length of the sequence that `lead` begins; 0 for a byte that begins none.
size_t SequenceSize(Byte lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

// Overlong forms, surrogates and code points above U+10FFFF show in the second byte.
bool SecondByteFits(Byte lead, Byte second) {
  switch (lead) {
    case 0xe0:
      return second >= 0xa0;
    case 0xed:
      return second < 0xa0;
    case 0xf0:
      return second >= 0x90;
    case 0xf4:
      return second < 0x90;
    default:
      return true;
  }
}

bool Valid(std::string_view sequence) {
  for (const char c : sequence.substr(1)) {
    if ((static_cast<Byte>(c) & 0xc0) != 0x80) return false;
  }
  return sequence.size() == 1 ||
         SecondByteFits(static_cast<Byte>(sequence[0]), static_cast<Byte>(sequence[1]));
}

// The valid sequence that `text`, which is not empty, begins with; 0 when there is none.
size_t FirstSequence(std::string_view text) {
  const size_t size = SequenceSize(static_cast<Byte>(text[0]));
  return size > 0 && size <= text.size() && Valid(text.substr(0, size)) ? size : 0;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    uint64_t eight = 0;
    if (text.size() >= sizeof(eight)) {
      std::memcpy(&eight, text.data(), sizeof(eight));
      if ((eight & 0x8080808080808080U) == 0) {
        text.remove_prefix(sizeof(eight));
        continue;
      }
    }
    const size_t size = FirstSequence(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string Utf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes && IsUtf8(text)) return std::string(text);
  std::string out;
  out.reserve(std::min(text.size(), max_bytes));
  while (!text.empty()) {
    const size_t size = FirstSequence(text);
    const std::string_view next =
        size > 0 ? text.substr(0, size) : std::string_view("\xEF\xBF\xBD");
    if (next.size() > max_bytes - out.size()) break;
    out += next;
    text.remove_prefix(size > 0 ? size : 1);
  }
  return out;
}

}  // namespace huatuo
