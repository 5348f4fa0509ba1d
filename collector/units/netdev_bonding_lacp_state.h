// What the bonding driver says about an 802.3ad bond in /proc/net/bonding/<bond>.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace huatuo {

struct LacpSlave {
  std::string name;
  std::string mii_status;
  std::optional<uint32_t> aggregator_id;
  // Bits as in IEEE 802.1AX: activity 1, timeout 2, aggregation 4, synchronization 8, collecting
  // 16, distributing 32, defaulted 64, expired 128. Not known without CAP_NET_ADMIN.
  std::optional<uint32_t> actor_state;
  std::optional<uint32_t> partner_state;
  std::string partner_mac;
  uint64_t link_failures = 0;

  bool operator==(const LacpSlave&) const = default;
};

struct LacpBond {
  std::string mii_status;
  std::optional<uint32_t> aggregator_id;  // the active one
  std::optional<uint32_t> ports;          // of that aggregator
  std::optional<uint32_t> partner_key;
  std::string partner_mac;
  std::vector<LacpSlave> slaves;

  bool operator==(const LacpBond&) const = default;
};

// Null when the bond is of another mode. What is not in the text stays empty.
std::optional<LacpBond> ParseLacpBond(std::string_view text);

// What is different, as "eth0 mii_status up -> down; aggregator_id 1 -> 2"; empty: nothing is.
std::string LacpChanges(const LacpBond& before, const LacpBond& after);

// "activity|aggregation|…" of the bits of a port's state.
std::string LacpPortState(uint32_t bits);

}  // namespace huatuo
