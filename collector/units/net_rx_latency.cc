#include "bpf/net_rx_latency.h"

#include "collector/kernel/packet_text.h"
#include "collector/unit.h"
#include "collector/units/net_rx_latency_instance.h"

namespace huatuo {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

// ---- the event

v1::Value Address(const drop_packet& packet, const __u32 (&address)[4]) {
  if ((packet.has & DROP_HAS_ADDRESSES) == 0) return Unknown();
  return TextValue(AddressText(packet.version, address));
}

v1::Value Saddr(const net_rx_latency_event& e, Context&) {
  return Address(e.packet, e.packet.saddr);
}
v1::Value Daddr(const net_rx_latency_event& e, Context&) {
  return Address(e.packet, e.packet.daddr);
}

template <auto M, uint8_t kHas>
v1::Value Part(const net_rx_latency_event& event, Context&) {
  return (event.packet.has & kHas) == 0 ? Unknown() : UintValue(event.packet.*M);
}

v1::Value Protocol(const net_rx_latency_event& event, Context&) {
  if (event.packet.version == 0) return Unknown();
  if (event.packet.protocol == kTcp) return TextValue("TCP");
  if (event.packet.protocol == kUdp) return TextValue("UDP");
  return TextValue(std::to_string(event.packet.protocol));
}

v1::Value State(const net_rx_latency_event& event, Context&) {
  const std::string_view name = TcpStateName(event.sk_state);
  const bool tcp = event.packet.version != 0 && event.packet.protocol == kTcp;
  return tcp && !name.empty() ? TextValue(name) : Unknown();
}

v1::Value Length(const net_rx_latency_event& e, Context&) { return UintValue(e.packet.length); }

v1::Value Where(const net_rx_latency_event& event, Context&) {
  return event.stage < RX_STAGES ? TextValue(kRxStages[event.stage]) : Unknown();
}

template <auto M>
v1::Value Milliseconds(const net_rx_latency_event& event, Context&) {
  return NumberValue(static_cast<double>(event.*M) / 1e6);
}

v1::Value Netdev(const net_rx_latency_event& event, Context&) {
  return event.netdev[0] == '\0' ? Unknown() : ValueOf(event.netdev);
}

template <auto M>
v1::Value NonZero(const net_rx_latency_event& event, Context&) {
  return event.*M == 0 ? Unknown() : UintValue(event.*M);
}

constexpr auto kUint = v1::Field::UINT;
constexpr auto kText = v1::Field::TEXT;

constexpr auto kFields = FieldsOf<net_rx_latency_event>(
    Derived<&Saddr>("saddr", "Source address, IPv4 or IPv6.", kText),
    Derived<&Daddr>("daddr", "Destination address.", kText),
    Derived<&Part<&drop_packet::sport, DROP_HAS_PORTS>>("sport", "Source port.", kUint),
    Derived<&Part<&drop_packet::dport, DROP_HAS_PORTS>>("dport", "Destination port.", kUint),
    Derived<&Protocol>("protocol", "TCP, UDP, else the number.", kText),
    Derived<&Part<&drop_packet::seq, DROP_HAS_TCP>>("seq", "TCP sequence number.", kUint),
    Derived<&Part<&drop_packet::ack_seq, DROP_HAS_TCP>>("ack_seq", "TCP acknowledgement.", kUint),
    Derived<&State>("state", "State of the packet's TCP socket; null when it has none yet.", kText),
    Derived<&Length>("pkt_len", "Bytes from the IP header on.", kUint),
    Derived<&Where>("where",
                    "How far it had come: TO_NETIF_RCV: to the network stack; TO_TCPV4_RCV, "
                    "TO_TCPV6_RCV, TO_UDPV4_RCV, TO_UDPV6_RCV: to the protocol, which takes a "
                    "packet of TCP when nobody else has its socket; TO_USER_COPY: to the reader.",
                    kText),
    Derived<&Milliseconds<&net_rx_latency_event::latency_ns>>(
        "latency_ms",
        "From the packet's arrival to there; at TO_NETIF_RCV, of TCP that was sent on this host, "
        "also from when it was due to be sent.",
        v1::Field::DOUBLE),
    Derived<&Milliseconds<&net_rx_latency_event::threshold_ns>>(
        "threshold_ms", "Limit of that stage.", v1::Field::DOUBLE),
    Derived<&Netdev>("netdev", "Device that it arrived on; null in a socket's queue.", kText),
    Derived<&NonZero<&net_rx_latency_event::ifindex>>("ifindex", "Index of the device.", kUint),
    Derived<&NonZero<&net_rx_latency_event::netns_inum>>("netns_inum",
                                                         "Inode of the network namespace.", kUint),
    Derived<&NonZero<&net_rx_latency_event::netns_cookie>>(
        "netns_cookie", "Cookie of the network namespace, never used twice.", v1::Field::ID),
    Hidden<&net_rx_latency_event::latency_ns>(), Hidden<&net_rx_latency_event::threshold_ns>(),
    Hidden<&net_rx_latency_event::netns_cookie>(), Hidden<&net_rx_latency_event::packet>(),
    Hidden<&net_rx_latency_event::netns_inum>(), Hidden<&net_rx_latency_event::ifindex>(),
    Hidden<&net_rx_latency_event::stage>(), Hidden<&net_rx_latency_event::sk_state>(),
    Hidden<&net_rx_latency_event::netdev>());

constexpr EventType kEvents[] = {{
    .name = "net_rx_latency",
    .help = "A received packet came late to a stage of the kernel, or to its reader. The task is "
            "the reader, before that the one that ran; the container is that of the reader, the "
            "socket or the network namespace.",
    .fields = kFields,
    .record_bytes = sizeof(net_rx_latency_event),
}};

// ---- metrics, parameters

constexpr std::string_view kWhereLabel[] = {"where"};
constexpr std::string_view kCauseLabel[] = {"cause"};
constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_late_packets_total",
     .help = "Received packets that came late, by the stage that they came late to.",
     .type = v1::MetricType::COUNTER,
     .labels = kWhereLabel},
    {.name = "huatuo_node_unreported_late_packets_total",
     .help = "Of them, those that made no event: clock_step (the wall clock was set on the way), "
             "implausible (over an hour: a stamp of another clock), not_ip, own_connection (to "
             "or from the apiserver), filtered.",
     .type = v1::MetricType::COUNTER,
     .labels = kCauseLabel},
};

constexpr uint64_t kHourMs = 3'600'000;
constexpr Parameter kParameters[] = {
    kLimitPerSecond,
    {.name = "netif_threshold_ms",
     .help = "Late for TO_NETIF_RCV.",
     .unit = "ms",
     .default_value = 5,
     .minimum = 1,
     .maximum = kHourMs},
    {.name = "transport_threshold_ms",
     .help = "Late for TO_TCPV4_RCV, TO_TCPV6_RCV, TO_UDPV4_RCV and TO_UDPV6_RCV.",
     .unit = "ms",
     .default_value = 10,
     .minimum = 1,
     .maximum = kHourMs},
    {.name = "user_threshold_ms",
     .help = "Late for TO_USER_COPY.",
     .unit = "ms",
     .default_value = 115,
     .minimum = 1,
     .maximum = kHourMs},
    {.name = kTimestamping,
     .help = "1: asks the kernel to stamp every received packet; 0: only packets that others want "
             "stamped are measured.",
     .unit = "",
     .default_value = 1,
     .minimum = 0,
     .maximum = 1},
    {.name = "quiet_port",
     .help = "TCP port whose connections make no event, lest the readers of events cause them: "
             "the apiserver's HTTP port. Its gRPC port is known. 0: none.",
     .unit = "",
     .default_value = 12740,
     .minimum = 0,
     .maximum = 65535},
};

constexpr std::string_view kFentry[] = {
    "rx_netif",     "rx_user",        "rx_user_udp_fentry", "rx_tcp_state_fentry",
    "rx_tcp_probe", "udp_rcv_fentry", "udpv6_rcv_fentry"};
constexpr std::string_view kKprobe[] = {
    "rx_netif",     "rx_user",        "rx_user_udp_kprobe", "rx_tcp_state_kprobe",
    "rx_tcp_probe", "udp_rcv_kprobe", "udpv6_rcv_kprobe"};
constexpr std::string_view kTracepoints[] = {"rx_netif", "rx_user_any", "rx_tcp_probe"};
constexpr Mechanism kMechanisms[] = {
    {"fentry", "", &OpenRxProbe, kFentry},
    {"kprobe", "", &OpenRxProbe, kKprobe},
    {"tracepoints",
     "TO_UDPV4_RCV, TO_UDPV6_RCV, most of UDP at TO_USER_COPY, and TCP before it is established",
     &OpenRxProbe, kTracepoints},
};

constexpr MetricSource kSources[] = {
    {"", "netif_receive_skb, tcp_probe, skb_consume_udp, skb_copy_datagram_iovec"},
};

}  // namespace

extern constexpr Unit kNetRxLatency = {
    .name = "net_rx_latency",
    .help = "Packets that took too long from the device to their reader: where, and whose.",
    .events = kEvents,
    .metrics = kMetrics,
    .sources = kSources,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 1,
    .task = true,
};

}  // namespace huatuo
