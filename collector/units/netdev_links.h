// Network devices and their queueing disciplines, read from rtnetlink. Pure.
#pragma once

#include <linux/rtnetlink.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "collector/procfs/key_rows.h"

namespace huatuo {

// In the order of struct rtnl_link_stats64, each 64 bits.
inline constexpr KeyRow kLinkRows[] = {
    {"rx_packets", "Packets received.", Default::kSent, "rx_packets_total"},
    {"tx_packets", "Packets sent.", Default::kSent, "tx_packets_total"},
    {"rx_bytes", "Bytes received.", Default::kSent, "rx_bytes_total"},
    {"tx_bytes", "Bytes sent.", Default::kSent, "tx_bytes_total"},
    {"rx_errors", "Bad packets received.", Default::kOfNode, "rx_errors_total"},
    {"tx_errors", "Packets that could not be sent.", Default::kOfNode, "tx_errors_total"},
    {"rx_dropped", "Packets received and not processed.", Default::kSent, "rx_dropped_total"},
    {"tx_dropped", "Packets dropped before they were sent.", Default::kSent, "tx_dropped_total"},
    {"multicast", "Multicast packets received.", Default::kOfNode, "multicast_total"},
    {"collisions", "Collisions while sending.", Default::kOfNode, "collisions_total"},
    {"rx_length_errors", "Packets of a wrong length.", Default::kOfNode, "rx_length_errors_total"},
    {"rx_over_errors", "Packets that the receiver had no room for.", Default::kOfNode,
     "rx_over_errors_total"},
    {"rx_crc_errors", "Packets with a wrong checksum.", Default::kOfNode, "rx_crc_errors_total"},
    {"rx_frame_errors", "Packets that were badly aligned.", Default::kOfNode,
     "rx_frame_errors_total"},
    {"rx_fifo_errors", "Overruns of the receiver's FIFO.", Default::kOfNode,
     "rx_fifo_errors_total"},
    {"rx_missed_errors", "Packets that the host had no room for.", Default::kOfNode,
     "rx_missed_errors_total"},
    {"tx_aborted_errors", "Transmissions that were aborted.", Default::kOfNode,
     "tx_aborted_errors_total"},
    {"tx_carrier_errors", "Transmissions without a carrier.", Default::kOfNode,
     "tx_carrier_errors_total"},
    {"tx_fifo_errors", "Underruns of the sender's FIFO.", Default::kOfNode, "tx_fifo_errors_total"},
    {"tx_heartbeat_errors", "Lost heartbeats.", Default::kOfNode, "tx_heartbeat_errors_total"},
    {"tx_window_errors", "Late collisions.", Default::kOfNode, "tx_window_errors_total"},
    {"rx_compressed", "Compressed packets received.", Default::kOfNode, "rx_compressed_total"},
    {"tx_compressed", "Compressed packets sent.", Default::kOfNode, "tx_compressed_total"},
    {"rx_nohandler", "Packets on an inactive device of a bond.", Default::kOfNode,
     "rx_nohandler_total"},
    {"rx_otherhost_dropped", "Packets for another host; from Linux 5.19.", Default::kOfNode,
     "rx_otherhost_dropped_total"},
};

struct Link {
  uint32_t index = 0;
  bool up = false;  // switched on, and with a carrier
  std::array<char, 16> name_bytes{};
  std::optional<uint32_t> carrier_changes;
  std::array<uint64_t, std::size(kLinkRows)> counts{};
  size_t count = 0;  // that this kernel has
  std::string_view name() const;
};

// nullopt when the message is not of a link, or has no name.
std::optional<Link> ParseLink(const nlmsghdr& message);

struct Qdisc {
  uint32_t link = 0;
  uint32_t handle = 0;  // 0: of a queue of its parent, without a name
  std::array<char, 16> kind_bytes{};
  uint64_t bytes = 0, packets = 0, drops = 0, requeues = 0, overlimits = 0;
  uint64_t backlog_bytes = 0, queue_length = 0;
  std::string_view kind() const;
};

// nullopt when the message is not of a queueing discipline, or tells no counts.
std::optional<Qdisc> ParseQdisc(const nlmsghdr& message);

}  // namespace huatuo
