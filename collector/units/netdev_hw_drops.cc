#include "collector/units/netdev_hw_drops.h"

#include <algorithm>
#include <cctype>

namespace huatuo {
namespace {

// Parts of names, in lower case, by which drivers tell a packet that did not get in or out: no
// buffer, no room in the card, over what a cloud allows.
constexpr std::string_view kDropWords[] = {
    "drop",         "discard",
    "missed",       "out_of_buffer",
    "no_buf",       "no_dma_res",
    "no_desc",      "oob",
    "overrun",      "overflow",
    "fifo_err",     "nobuf",
    "no_rx_buffer", "allowance_exceeded",
    "no_memory",
};
// What a program decided, and what is no packet.
constexpr std::string_view kOtherWords[] = {"xdp", "cache", "ptp", "tstamp", "timestamp", "tls"};

bool Contains(std::string_view name, std::span<const std::string_view> words) {
  return std::ranges::any_of(words,
                             [&](std::string_view word) { return name.find(word) != name.npos; });
}

// "rx_queue_3_drops" and "[3]: rx drops" become "rx_queue_drops" and "rx_drops".
std::string Kind(std::string_view name) {
  std::string kind;
  for (const char c : name) {
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) continue;
    const bool letter = std::isalpha(static_cast<unsigned char>(c)) != 0;
    if (letter) {
      kind += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!kind.empty() && kind.back() != '_') {
      kind += '_';
    }
  }
  while (!kind.empty() && kind.back() == '_') kind.pop_back();
  return kind;
}

}  // namespace

std::map<std::string, uint64_t> HardwareDrops(std::span<const EthtoolCount> counts) {
  std::map<std::string, uint64_t> drops;
  for (const EthtoolCount& count : counts) {
    std::string kind = Kind(count.name);
    if (!Contains(kind, kDropWords) || Contains(kind, kOtherWords)) continue;
    if (drops.size() >= kMaxDropKinds && !drops.contains(kind)) kind = "~other";
    drops[std::move(kind)] += count.value;
  }
  return drops;
}

}  // namespace huatuo
