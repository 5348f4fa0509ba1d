#include "bpf/dropwatch.h"

#include <fmt/format.h>

#include "collector/kernel/packet_text.h"
#include "collector/unit.h"
#include "collector/units/dropwatch_instance.h"

namespace huatuo {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint32_t kListen = 10;
constexpr uint8_t kSyn = 0x02;
constexpr uint8_t kAck = 0x10;

// ---- the packet

v1::Value Address(const drop_packet& packet, const __u32 (&address)[4]) {
  if ((packet.has & DROP_HAS_ADDRESSES) == 0) return Unknown();
  return TextValue(AddressText(packet.version, address));
}

v1::Value Saddr(const dropwatch_event& e, Context&) { return Address(e.packet, e.packet.saddr); }
v1::Value Daddr(const dropwatch_event& e, Context&) { return Address(e.packet, e.packet.daddr); }

template <auto M, uint8_t kHas>
v1::Value Part(const dropwatch_event& event, Context&) {
  return (event.packet.has & kHas) == 0 ? Unknown() : UintValue(event.packet.*M);
}

v1::Value Protocol(const dropwatch_event& event, Context&) {
  const drop_packet& packet = event.packet;
  if (packet.version == 0) {
    if (packet.ethertype == 0) return Unknown();
    return TextValue(packet.ethertype == 0x0806 ? "ARP"
                                                : fmt::format("0x{:04x}", packet.ethertype));
  }
  switch (packet.protocol) {
    case 1:
      return TextValue("ICMP");
    case kTcp:
      return TextValue("TCP");
    case 17:
      return TextValue("UDP");
    case 58:
      return TextValue("ICMPv6");
    default:
      return TextValue(std::to_string(packet.protocol));
  }
}

v1::Value Flags(const dropwatch_event& event, Context&) {
  static constexpr const char* kNames[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
  if ((event.packet.has & DROP_HAS_TCP) == 0) return Unknown();
  std::string text;
  for (size_t bit = 0; bit < std::size(kNames); ++bit) {
    if ((event.packet.tcp_flags >> bit & 1) == 0) continue;
    text += (text.empty() ? "" : "|") + std::string(kNames[bit]);
  }
  return TextValue(text);
}

v1::Value Length(const dropwatch_event& event, Context&) { return UintValue(event.packet.length); }
v1::Value Queue(const dropwatch_event& event, Context&) {
  return UintValue(event.packet.queue_mapping);
}

// ---- the drop

v1::Value Reason(const dropwatch_event& event, Context&) {
  if (event.reason == DROP_REASON_UNKNOWN) return Unknown();
  if (event.reason_name[0] != '\0') return ValueOf(event.reason_name);
  return TextValue(fmt::format("0x{:x}", event.reason));
}

v1::Value Location(const dropwatch_event& event, Context& context) {
  if (event.location == 0) return Unknown();
  const v1::Frame frame = context.Symbolize(event.location);
  if (frame.symbol().empty()) return TextValue(fmt::format("0x{:x}", event.location));
  return TextValue(fmt::format("{}+0x{:x}", frame.symbol(), frame.offset()));
}

v1::Value Stack(const dropwatch_event& event, Context& context) {
  return StackValue(event.stack, event.location, context);
}

v1::Value TcpState(const dropwatch_event& event, Context&) {
  const bool tcp = event.packet.version != 0 && event.packet.protocol == kTcp;
  const std::string_view name = TcpStateName(event.sk_state);
  return tcp && !name.empty() ? TextValue(name) : Unknown();
}

template <auto M>
v1::Value Backlog(const dropwatch_event& event, Context&) {
  return event.sk_state == kListen ? UintValue(event.*M) : Unknown();
}

// A full accept queue refuses the first packet of the handshake or, when it filled up in between,
// the third.
v1::Value Type(const dropwatch_event& event, Context&) {
  if (event.reason == DROP_REASON_TRAP) return TextValue("device_trap");
  const bool tcp = (event.packet.has & DROP_HAS_TCP) != 0;
  const bool full = event.sk_state == kListen && event.ack_backlog > event.max_ack_backlog;
  const bool said = std::string_view(event.reason_name) == "TCP_LISTEN_OVERFLOW";
  if (!tcp || !(full || said)) return TextValue("common_drop");
  const uint8_t flags = event.packet.tcp_flags & (kSyn | kAck);
  if (flags == kSyn) return TextValue("listen_overflow_handshake1");
  return TextValue(flags == kAck ? "listen_overflow_handshake3" : "common_drop");
}

v1::Value Cookie(const dropwatch_event& event, Context&) {
  return event.netns_cookie == 0 ? Unknown() : UintValue(event.netns_cookie);
}

template <auto M>
v1::Value NonZero(const dropwatch_event& event, Context&) {
  return event.*M == 0 ? Unknown() : UintValue(event.*M);
}

v1::Value Netdev(const dropwatch_event& event, Context&) {
  return event.netdev[0] == '\0' ? Unknown() : ValueOf(event.netdev);
}

constexpr auto kUint = v1::Field::UINT;
constexpr auto kText = v1::Field::TEXT;

constexpr auto kFields = FieldsOf<dropwatch_event>(
    Derived<&Type>("type",
                   "listen_overflow_handshake1 or _handshake3: the accept queue of a listening "
                   "socket was full; device_trap: a device dropped it; else common_drop.",
                   kText),
    Derived<&Saddr>("saddr", "Source address, IPv4 or IPv6.", kText),
    Derived<&Daddr>("daddr", "Destination address.", kText),
    Derived<&Part<&drop_packet::sport, DROP_HAS_PORTS>>("sport", "Source port.", kUint),
    Derived<&Part<&drop_packet::dport, DROP_HAS_PORTS>>("dport", "Destination port.", kUint),
    Derived<&Queue>("queue_mapping", "Queue of the device that the packet was assigned to.", kUint),
    Derived<&Reason>("drop_reason",
                     "The kernel's own reason, null before 5.17; of a device its trap.", kText),
    Derived<&Location>("drop_location", "Function that gave the packet up; null when a device did.",
                       kText),
    Derived<&Protocol>("protocol",
                       "TCP, UDP, ICMP, ICMPv6, else the number; of other packets the EtherType.",
                       kText),
    Derived<&Part<&drop_packet::seq, DROP_HAS_TCP>>("seq", "TCP sequence number.", kUint),
    Derived<&Part<&drop_packet::ack_seq, DROP_HAS_TCP>>("ack_seq", "TCP acknowledgement.", kUint),
    Derived<&Flags>("flags", "TCP flags, as SYN|ACK.", kText),
    Derived<&TcpState>("tcp_state", "State of the packet's socket; null when it has none.", kText),
    Derived<&Length>("pkt_len", "Bytes from the IP header on.", kUint),
    Derived<&Netdev>("netdev", "Device that received or was to send it.", kText),
    Derived<&NonZero<&dropwatch_event::ifindex>>("ifindex", "Index of the device.", kUint),
    Derived<&NonZero<&dropwatch_event::netns_inum>>("netns_inum", "Inode of the network namespace.",
                                                    kUint),
    Derived<&Cookie>("netns_cookie", "Cookie of the network namespace, never used twice.",
                     v1::Field::ID),
    Derived<&Stack>("stack", "Kernel stack from the place of the drop on.", v1::Field::STACK),
    Derived<&Backlog<&dropwatch_event::ack_backlog>>(
        "ack_backlog", "Connections that wait in the listening socket's accept queue.", kUint),
    Derived<&Backlog<&dropwatch_event::max_ack_backlog>>(
        "max_ack_backlog", "What that queue holds before it is full.", kUint),
    Hidden<&dropwatch_event::location>(), Hidden<&dropwatch_event::netns_cookie>(),
    Hidden<&dropwatch_event::stack>(), Hidden<&dropwatch_event::packet>(),
    Hidden<&dropwatch_event::reason>(), Hidden<&dropwatch_event::netns_inum>(),
    Hidden<&dropwatch_event::ifindex>(), Hidden<&dropwatch_event::sk_state>(),
    Hidden<&dropwatch_event::ack_backlog>(), Hidden<&dropwatch_event::max_ack_backlog>(),
    Hidden<&dropwatch_event::netdev>(), Hidden<&dropwatch_event::reason_name>());

// Not the ports that clients choose, nor the task and its part of the stack, which are whoever was
// interrupted.
constexpr std::string_view kSame[] = {"type",     "saddr",         "daddr",     "dport",
                                      "protocol", "flags",         "tcp_state", "drop_reason",
                                      "netdev",   "drop_location", "netns_inum"};

constexpr EventType kEvents[] = {{
    .name = "dropwatch",
    .help = "The network stack dropped a packet for a reason that is not one of normal life. The "
            "task is the one that ran, on the receiving side whoever was interrupted; the "
            "container is that of the packet's socket or network namespace.",
    .fields = kFields,
    .record_bytes = sizeof(dropwatch_event),
    .same = kSame,
}};

constexpr std::string_view kReasonLabel[] = {"reason"};
constexpr std::string_view kCauseLabel[] = {"cause"};
constexpr std::string_view kCounterLabels[] = {"layer", "counter"};

constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_dropped_packets_total",
     .help = "Packets that the kernel dropped in any network namespace, those of normal life "
             "included, by its own reason; device_trap: a device did.",
     .type = v1::MetricType::COUNTER,
     .labels = kReasonLabel},
    {.name = "huatuo_node_unreported_drops_total",
     .help =
         "Dropped packets that made no event: normal_reason (or no reason, at a normal place), "
         "not_ip (no reason given either), own_connection (to or from the apiserver), filtered.",
     .type = v1::MetricType::COUNTER,
     .labels = kCauseLabel},
    {.name = "huatuo_node_network_drops_total",
     .help = "Drops as the kernel's own counters tell them, host network only; goes on when the "
             "probe is given up. Counters of one layer can contain each other.",
     .type = v1::MetricType::COUNTER,
     .labels = kCounterLabels},
};

constexpr Parameter kParameters[] = {
    {.name = "limit_per_second",
     .help = "Events a second of one cgroup or network namespace and CPU; more are counted as "
             "refused.",
     .unit = "events/s",
     .default_value = 10,
     .minimum = 0,
     .maximum = 1'000'000},
    {.name = "report_normal",
     .help =
         "1: events also for what is part of normal life: some reasons, what is in the queues of "
         "a socket or device that closes, and the last packet of a TCP connection.",
     .unit = "",
     .default_value = 0,
     .minimum = 0,
     .maximum = 1},
    {.name = "quiet_port",
     .help = "TCP port whose packets make no event, lest the readers of events cause them: the "
             "apiserver's HTTP port. Its gRPC port is known. 0: none.",
     .unit = "",
     .default_value = 12740,
     .minimum = 0,
     .maximum = 65535},
};

constexpr std::string_view kTyped[] = {"kfree_skb_btf", "device_trap_btf"};
constexpr std::string_view kRaw[] = {"kfree_skb_raw", "device_trap_raw"};
constexpr Mechanism kMechanisms[] = {
    {"tp_btf", "", &OpenDropProbe, kTyped},
    {"raw_tp", "", &OpenDropProbe, kRaw},
    {"counters", "events and reasons, and all networks but the host's", &OpenDropCounters},
};

constexpr MetricSource kSources[] = {
    {"huatuo_node_network_drops_total", "/proc/1/net: snmp, snmp6, netstat, dev, softnet_stat"},
    {"", "kfree_skb, devlink_trap_report"},
};

}  // namespace

extern constexpr Unit kDropwatch = {
    .name = "dropwatch",
    .help = "Packets that the network stack dropped: why, where, whose.",
    .events = kEvents,
    .metrics = kMetrics,
    .sources = kSources,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 1,
    .shed_mechanism = "counters",
    .task = true,
    .filter = "packet",
};

}  // namespace huatuo
