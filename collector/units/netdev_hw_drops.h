// Which of a driver's own counters are packets that the hardware dropped.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "collector/procfs/ethtool.h"

namespace huatuo {

// More kinds than this of one device are "~other" together.
inline constexpr size_t kMaxDropKinds = 32;

// By the name without the numbers of queues and priorities: rx_queue_3_drops counts in
// rx_queue_drops. Pure.
std::map<std::string, uint64_t> HardwareDrops(std::span<const EthtoolCount> counts);

}  // namespace huatuo
