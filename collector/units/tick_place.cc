#include "collector/units/tick_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>

namespace huatuo {
namespace {

#if defined(__x86_64__)
constexpr const char* kRegisters[] = {"r15", "r14", "r13", "r12", "bp",    "bx", "r11",
                                      "r10", "r9",  "r8",  "ax",  "cx",    "dx", "si",
                                      "di",  "oax", "ip",  "cs",  "flags", "sp", "ss"};
#else
constexpr const char* kRegisters[] = {
    "x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",    "x10", "x11",
    "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",   "x22", "x23",
    "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp",  "pc",  "pstate"};
#endif
static_assert(std::size(kRegisters) <= TICK_REGISTERS);

}  // namespace

v1::Value PlaceStack(const tick_place& place, Context& context) {
  return StackValue(place.stack, 0, context);
}

v1::Value PlaceRegisters(const tick_place& place) {
  const auto* const end = std::end(place.registers);
  if (std::all_of(place.registers, end, [](uint64_t value) { return value == 0; })) {
    return Unknown();
  }
  std::string text;
  for (size_t i = 0; i < std::size(kRegisters); ++i) {
    text += fmt::format("{}{}={:x}", i == 0 ? "" : " ", kRegisters[i], place.registers[i]);
  }
  return TextValue(text);
}

}  // namespace huatuo
