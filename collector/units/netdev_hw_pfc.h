// Priority flow control of a network device, as the kernel's DCB netlink tells it.
#pragma once

#include <linux/dcbnl.h>
#include <linux/netlink.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "collector/procfs/netlink.h"

namespace huatuo {

struct PauseFrames {
  uint8_t enabled = 0;  // a bit for each priority
  std::array<uint64_t, IEEE_8021QAZ_MAX_TCS> sent{};
  std::array<uint64_t, IEEE_8021QAZ_MAX_TCS> received{};
};

// nullopt for another message, and for a device that tells nothing of it. Pure.
std::optional<PauseFrames> ParsePauseFrames(const nlmsghdr& message);

// Asks for those of one device; nullopt when it has none. `room` is where the kernel writes.
absl::StatusOr<std::optional<PauseFrames>> ReadPauseFrames(Netlink& netlink,
                                                           const std::string& device,
                                                           std::vector<std::byte>& room);

}  // namespace huatuo
