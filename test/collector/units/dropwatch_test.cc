#include "bpf/dropwatch.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "collector/decode/decoder.h"
#include "collector/decode/recording.h"
#include "collector/units/dropwatch_counters.h"
#include "collector/units/dropwatch_filter.h"
#include "common/document.h"
#include "common/status.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kDropwatch;

namespace {

constexpr const Unit* kUnits[] = {&kDropwatch};

void SetV4(__u32 (&address)[4], const char* text) {
  address[2] = htonl(0xffff);
  inet_pton(AF_INET, text, &address[3]);
}

template <size_t kSize>
void Copy(char (&into)[kSize], std::string_view text) {
  text.copy(into, kSize - 1);
}

// The last packet of a handshake that found the accept queue full.
dropwatch_event Drop() {
  dropwatch_event event{};
  event.header.cgroup = {7, 0, 0};
  event.header.tgid = 50;
  event.header.tid = 51;
  event.header.size = sizeof(event);
  Copy(event.header.comm, "curl");
  event.location = 0xff20;
  event.netns_cookie = 0xfedcba9876543210;
  // The probe's own frames, the place of the drop, its caller.
  event.stack.frame[0] = 0xff00;
  event.stack.frame[1] = 0xff10;
  event.stack.frame[2] = 0xff20;
  event.stack.frame[3] = 0xff30;
  SetV4(event.packet.saddr, "10.0.0.1");
  SetV4(event.packet.daddr, "10.0.0.2");
  event.packet.sport = 43210;
  event.packet.dport = 80;
  event.packet.seq = 4000000000;
  event.packet.ack_seq = 1;
  event.packet.length = 52;
  event.packet.ethertype = 0x0800;
  event.packet.queue_mapping = 3;
  event.packet.version = 4;
  event.packet.protocol = 6;
  event.packet.tcp_flags = 0x10;
  event.packet.has = DROP_HAS_ADDRESSES | DROP_HAS_PORTS | DROP_HAS_TCP;
  event.reason = 40;
  Copy(event.reason_name, "TCP_LISTEN_OVERFLOW");
  event.netns_inum = 4026531840;
  event.ifindex = 2;
  event.sk_state = 10;
  event.ack_backlog = 129;
  event.max_ack_backlog = 128;
  Copy(event.netdev, "eth0");
  return event;
}

std::string Json(const dropwatch_event& event) {
  static FakeContext context;
  ManualClock clock;
  const Decoder decoder(kUnits, context, clock);
  return TracerData(MakeCatalog(kUnits).units(0).events(0),
                    decoder.Decode(0, 0, kDropwatch.events[0], &event));
}

std::string Part(const dropwatch_event& event, std::string_view from, std::string_view to) {
  const std::string json = Json(event);
  const size_t begin = json.find(from);
  return json.substr(begin, json.find(to, begin) - begin);
}

TEST_CASE("a dropped packet says what it was, why and where it was dropped") {
  CHECK(Json(Drop()) ==
        R"({"comm":"curl","pid":50,"tid":51,"cpu":0,"cgroup_id":"7",)"
        R"("type":"listen_overflow_handshake3","saddr":"10.0.0.1",)"
        R"("daddr":"10.0.0.2","sport":43210,"dport":80,"queue_mapping":3,)"
        R"("drop_reason":"TCP_LISTEN_OVERFLOW","drop_location":"0xff20","protocol":"TCP",)"
        R"("seq":4000000000,"ack_seq":1,"flags":"ACK","tcp_state":"LISTEN","pkt_len":52,)"
        R"("netdev":"eth0","ifindex":2,"netns_inum":4026531840,)"
        R"("netns_cookie":"18364758544493064720","stack":"0xff20\n0xff30",)"
        R"("stack_frames":[{"address":"0xff20"},{"address":"0xff30"}],"ack_backlog":129,)"
        R"("max_ack_backlog":128})");
}

TEST_CASE("what a drop does not tell is null, never 0") {
  dropwatch_event event{};
  event.location = 0xff20;
  event.reason = DROP_REASON_UNKNOWN;
  event.packet.ethertype = 0x0806;
  event.header.cgroup = {4026532000, EVENT_NETNS, 0};
  CHECK(Json(event) ==
        R"({"comm":"","pid":0,"tid":0,"cpu":0,"cgroup_id":null,)"
        R"("type":"common_drop","saddr":null,"daddr":null,"sport":null,)"
        R"("dport":null,"queue_mapping":0,"drop_reason":null,"drop_location":"0xff20",)"
        R"("protocol":"ARP","seq":null,"ack_seq":null,"flags":null,"tcp_state":null,"pkt_len":0,)"
        R"("netdev":null,"ifindex":null,"netns_inum":null,"netns_cookie":null,"stack":null,)"
        R"("ack_backlog":null,"max_ack_backlog":null})");
}

TEST_CASE("what a device drops has the name of its trap, and no place in the kernel") {
  dropwatch_event event = Drop();
  event.location = 0;
  event.reason = DROP_REASON_TRAP;
  Copy(event.reason_name, {"blackhole_route", sizeof("blackhole_route")});
  CHECK(Part(event, "\"type", ",\"saddr") == R"("type":"device_trap")");
  CHECK(Part(event, "\"drop_reason", ",\"protocol") ==
        R"("drop_reason":"blackhole_route","drop_location":null)");
}

TEST_CASE("IPv6, flags, protocols and reasons in words") {
  dropwatch_event event = Drop();
  event.packet.version = 6;
  inet_pton(AF_INET6, "fd00::1", event.packet.saddr);
  inet_pton(AF_INET6, "::ffff:1.2.3.4", event.packet.daddr);
  event.packet.tcp_flags = 0x02;
  CHECK(Part(event, "\"type", ",\"sport") ==
        R"("type":"listen_overflow_handshake1","saddr":"fd00::1","daddr":"::ffff:1.2.3.4")");
  event.packet.tcp_flags = 0x12;
  CHECK(Part(event, "\"flags", ",\"tcp_state") == R"("flags":"SYN|ACK")");
  event.packet.protocol = 58;
  CHECK(Part(event, "\"protocol", ",\"seq") == R"("protocol":"ICMPv6")");
  event.packet.protocol = 47;
  CHECK(Part(event, "\"protocol", ",\"seq") == R"("protocol":"47")");
  event.packet.version = 0;
  event.packet.ethertype = 0x88cc;
  CHECK(Part(event, "\"protocol", ",\"seq") == R"("protocol":"0x88cc")");
  event.reason = 0x20003;
  event.reason_name[0] = '\0';
  CHECK(Part(event, "\"drop_reason", ",\"drop_location") == R"("drop_reason":"0x20003")");
}

// Three SYNs that nftables dropped and four datagrams to a closed port on 6.18, as the collector
// recorded them.
TEST_CASE("recorded drops are the same events for ever") {
  const v1::Catalog catalog = MakeCatalog(kUnits);
  std::string seen;
  const auto skipped = Replay(
      TEST_DIR "/../../recordings/dropwatch-6.18.recording", catalog,
      {.record = [](std::span<const std::byte>) {},
       .event =
           [&](v1::Event event) {
             const auto data =
                 boost::json::parse(TracerData(catalog.units(0).events(0), event)).as_object();
             for (const char* field :
                  {"protocol", "saddr", "dport", "drop_reason", "drop_location", "netdev"}) {
               seen += boost::json::serialize(data.at(field)) + " ";
             }
             seen += "\n";
           },
       .profile = [](v1::Profile) {}});
  REQUIRE(skipped.ok());
  CHECK(*skipped == 0);
  const std::string tcp4 = R"("TCP" "127.0.0.1" 40001 "NETFILTER_DROP" "nft_do_chain+0x3e8" "lo" )";
  const std::string udp4 = R"("UDP" "127.0.0.1" 9 "NO_SOCKET" "__udp4_lib_rcv+0x4bc" "lo" )";
  const std::string udp6 = R"("UDP" "::1" 9 "NO_SOCKET" "__udp6_lib_rcv+0xe1" "lo" )";
  CHECK(seen == tcp4 + "\n" + tcp4 + "\n" +
                    R"("TCP" "::1" 40001 "NETFILTER_DROP" "nft_do_chain+0x3e8" "lo" )" + "\n" +
                    udp4 + "\n" + udp4 + "\n" + udp6 + "\n" + udp6 + "\n");
}

// ---- the filter

const DropReasons kReasons({{2, "NOT_SPECIFIED"}, {12, "NETFILTER_DROP"}});

std::string Print(const drop_net& net) {
  char address[INET6_ADDRSTRLEN];
  char mask[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, net.address, address, sizeof(address));
  inet_ntop(AF_INET6, net.mask, mask, sizeof(mask));
  return fmt::format("{} {}", address, mask);
}

TEST_CASE("a filter's terms become conditions of the program") {
  const auto filter = MakeDropFilter(
      "tcp and src port 1 and net 10.0.0.0/8 and dev eth0 and reason NETFILTER_DROP and netns 9",
      kReasons);
  REQUIRE(filter.ok());
  CHECK(filter->terms == (DROP_FILTER_PROTOCOL | DROP_FILTER_SPORT | DROP_FILTER_NET |
                          DROP_FILTER_DEVICE | DROP_FILTER_REASON | DROP_FILTER_NETNS));
  CHECK(fmt::format("{} {} {} {}", filter->protocol, filter->sport, filter->reason,
                    filter->netns) == "6 1 12 9");
  CHECK(Print(filter->net) == "::ffff:10.0.0.0 ffff:ffff:ffff:ffff:ffff:ffff:ff00:0");
  CHECK(std::string_view(reinterpret_cast<const char*>(filter->device)) == "eth0");
  CHECK(MakeDropFilter("", kReasons)->terms == 0);
}

TEST_CASE("a reason that this kernel does not have is refused with those that it has") {
  CHECK(Message(MakeDropFilter("reason NETFILTER", kReasons).status()) ==
        "reason \"NETFILTER\": this kernel does not have it; it has NOT_SPECIFIED, NETFILTER_DROP");
  CHECK(Message(MakeDropFilter("reason NO_SOCKET", DropReasons({})).status()) ==
        "reason: this kernel does not tell why it drops (5.17 and later do)");
}

// ---- the counters

std::string Counters(const std::string& folder) {
  std::string out;
  EachDropCounter(Root(folder), [&](std::string_view layer, std::string_view name, uint64_t value) {
    out += fmt::format("{}.{}={} ", layer, name, value);
  });
  return out;
}

TEST_CASE("the kernel's own drop counters, layer by layer") {
  const std::string folder = std::filesystem::temp_directory_path() / "huatuo-drop-counters";
  std::filesystem::create_directories(folder + "/proc/1/net");
  CHECK(Counters(folder).empty());
  const auto write = [&](const char* name, const char* text) {
    std::ofstream(folder + "/proc/1/net/" + name) << text;
  };
  write("snmp",
        "Ip: Forwarding InDiscards OutNoRoutes\nIp: 1 5 6\nUdp: InDatagrams NoPorts\nUdp: 1 7\n");
  write("netstat", "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 2 3\n");
  write("snmp6", "Ip6InReceives  4\nIp6InDiscards                   \t8\nUdp6NoPorts 9\n");
  write("softnet_stat", "0000000f 0000000a 0 0\n0000000f 00000001 0 0\n");
  write("dev",
        "Inter-|   Receive  |  Transmit\n face |bytes packets\n"
        "    lo: 1 1 0 2 0 0 0 0 1 1 0 3 0 0 0 0\n  eth0:1 1 0 20 0 0 0 0 1 1 0 30 0 0 0 0\n");
  CHECK(Counters(folder) ==
        "ip.InDiscards=5 ip.OutNoRoutes=6 udp.NoPorts=7 tcp.ListenOverflows=2 tcp.ListenDrops=3 "
        "ip6.InDiscards=8 udp6.NoPorts=9 softnet.dropped=11 device.rx_dropped=22 "
        "device.tx_dropped=33 ");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace huatuo
