// CRC-32C (Castagnoli), as in iSCSI and ext4. Pure and thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

namespace huatuo {

// Goes on from `seed`, the checksum of what came before (0 at the start).
uint32_t Crc32c(std::string_view bytes, uint32_t seed = 0);

}  // namespace huatuo
