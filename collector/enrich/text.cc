#include "collector/enrich/text.h"

#include <cstddef>
#include <cstdint>

namespace huatuo {
namespace {

struct Sequence {
  uint8_t mask;
  uint8_t lead;
  size_t length;
  uint32_t least;  // smaller code points have a shorter form, which is the only valid one
};

constexpr Sequence kSequences[] = {
    {0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};

size_t Follow(std::string_view text, const Sequence& sequence) {
  if (text.size() < sequence.length) return 0;
  uint32_t code = static_cast<uint8_t>(text[0]) & static_cast<uint8_t>(~sequence.mask);
  for (size_t i = 1; i < sequence.length; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if ((byte & 0xc0) != 0x80) return 0;
    code = (code << 6) | (byte & 0x3f);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  const bool control = code < 0xa0;
  return code < sequence.least || code > 0x10ffff || surrogate || control ? 0 : sequence.length;
}

// Bytes of the valid character that `text` begins with; 0 when there is none.
size_t CharacterLength(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  for (const Sequence& sequence : kSequences) {
    if ((first & sequence.mask) == sequence.lead) return Follow(text, sequence);
  }
  return 0;
}

}  // namespace

std::string SafeText(std::string_view text) {
  std::string safe;
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (length == 0) {
      safe += '?';
    } else {
      safe += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return safe;
}

}  // namespace huatuo
