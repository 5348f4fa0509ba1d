// Builds the decoded part of an event: names with values, in the order of the calls.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "collector/enrich/text.h"
#include "collector/field.h"

namespace huatuo {

class RasWords {
 public:
  RasWords& Number(std::string_view name, uint64_t number) { return Add(name, UintValue(number)); }
  // 64-bit registers and addresses are text: JSON's readers have doubles.
  RasWords& Hex(std::string_view name, uint64_t number) {
    return Add(name, TextValue(fmt::format("0x{:x}", number)));
  }
  RasWords& HexUnlessZero(std::string_view name, uint64_t number) {
    return number == 0 ? *this : Hex(name, number);
  }
  RasWords& Flag(std::string_view name, bool flag) { return Add(name, FlagValue(flag)); }
  // Nothing when it is empty.
  RasWords& Text(std::string_view name, std::string_view text) {
    return text.empty() ? *this : Add(name, TextValue(SafeText(text)));
  }
  // A text of the kernel's that may have been cut.
  template <size_t kSize>
  RasWords& Text(std::string_view name, const char (&text)[kSize]) {
    const size_t size = strnlen(text, kSize);
    Text(name, std::string_view(text, size));
    if (size + 1 >= kSize) Flag(std::string(name) + "_truncated", true);
    return *this;
  }
  // The names of the bits that are set, lowest first; a bit without a name is "bit<n>".
  RasWords& Bits(std::string_view name, uint64_t bits, std::span<const std::string_view> names) {
    v1::Value value;
    v1::List& list = *value.mutable_list();
    for (size_t bit = 0; bit < 64; ++bit) {
      if ((bits >> bit & 1) == 0) continue;
      const bool named = bit < names.size() && !names[bit].empty();
      *list.add_values() = TextValue(named ? std::string(names[bit]) : fmt::format("bit{}", bit));
    }
    return Add(name, std::move(value));
  }
  RasWords& Raw(std::string_view name, std::span<const uint8_t> bytes, uint32_t whole) {
    std::string text;
    for (const uint8_t byte : bytes.first(std::min<size_t>(bytes.size(), whole))) {
      text += fmt::format("{:02x}", byte);
    }
    Number(std::string(name) + "_bytes", whole);
    if (whole > bytes.size()) Flag(std::string(name) + "_truncated", true);
    return Text(name, text);
  }
  v1::Value Take() { return std::move(value_); }

 private:
  RasWords& Add(std::string_view name, v1::Value value) {
    value_.mutable_map()->add_names(std::string(name));
    *value_.mutable_map()->add_values() = std::move(value);
    return *this;
  }

  v1::Value value_;
};

}  // namespace huatuo
