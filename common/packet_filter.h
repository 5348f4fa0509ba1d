// The filter language "packet": which packets an instance is to tell of.
//
//   filter := term { "and" term }
//   term   := "ip" | "ip6" | "tcp" | "udp" | "icmp" | "icmp6" | "proto" NUMBER
//           | [ "src" | "dst" ] "port" NUMBER
//           | [ "src" | "dst" ] "host" ADDRESS
//           | [ "src" | "dst" ] "net" ADDRESS "/" LENGTH
//           | "dev" NAME | "reason" NAME | "netns" INODE
//
// A packet must fulfil every term; without "src" or "dst" either end may. No text at all lets
// everything pass. Words are in lower case, but for a reason's name, which is the kernel's own
// (NETFILTER_DROP, with or without SKB_DROP_REASON_).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace huatuo {

// Sixteen bytes as in IPv6; IPv4 is ::ffff:a.b.c.d, so that 0.0.0.0/0 is ::ffff:0:0/96.
struct PacketNet {
  std::array<uint8_t, 16> address{};  // zero behind the prefix
  int prefix_bits = 0;                // of the sixteen bytes
};

// One optional for each thing that a term can say.
struct PacketFilter {
  std::optional<int> version;  // of IP: 4 or 6
  std::optional<uint8_t> protocol;
  std::optional<uint16_t> src_port;
  std::optional<uint16_t> dst_port;
  std::optional<uint16_t> port;
  std::optional<PacketNet> src;
  std::optional<PacketNet> dst;
  std::optional<PacketNet> net;
  std::optional<std::string> device;
  std::optional<std::string>
      reason;  // without SKB_DROP_REASON_; whether it exists is not known here
  std::optional<uint32_t> netns;
};

// What is accepted, for who wrote something else.
inline constexpr std::string_view kPacketFilterTerms =
    "terms joined by \"and\": ip, ip6, tcp, udp, icmp, icmp6, proto N, [src|dst] port N, "
    "[src|dst] host ADDRESS, [src|dst] net ADDRESS/LENGTH, dev NAME, reason NAME, netns INODE";

// InvalidArgument says the column (from 1), the word, why not, and what is accepted there. Terms
// that exclude each other are refused, since such a filter would wait for ever. Pure.
absl::StatusOr<PacketFilter> ParsePacketFilter(std::string_view text);

}  // namespace huatuo
