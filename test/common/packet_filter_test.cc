#include "common/packet_filter.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "common/status.h"

namespace huatuo {
namespace {

std::string Print(const PacketNet& net) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, net.address.data(), text, sizeof(text));
  return fmt::format("{}/{}", text, net.prefix_bits);
}

std::string Print(const std::string& text) { return text; }
std::string Print(int number) { return std::to_string(number); }
std::string Print(uint32_t number) { return std::to_string(number); }

template <typename T>
void Add(std::string& out, const char* name, const std::optional<T>& value) {
  if (value.has_value()) out += fmt::format("{}{}={}", out.empty() ? "" : " ", name, Print(*value));
}

std::string Parsed(std::string_view text) {
  const absl::StatusOr<PacketFilter> filter = ParsePacketFilter(text);
  if (!filter.ok()) return Message(filter.status());
  std::string out;
  Add(out, "version", filter->version);
  Add(out, "protocol", filter->protocol);
  Add(out, "src_port", filter->src_port);
  Add(out, "dst_port", filter->dst_port);
  Add(out, "port", filter->port);
  Add(out, "src", filter->src);
  Add(out, "dst", filter->dst);
  Add(out, "net", filter->net);
  Add(out, "device", filter->device);
  Add(out, "reason", filter->reason);
  Add(out, "netns", filter->netns);
  return out;
}

const std::string kAll =
    "accepted are ip, ip6, tcp, udp, icmp, icmp6, proto N, [src|dst] port N, [src|dst] host A, "
    "[src|dst] net A/LEN, dev NAME, reason NAME, netns INODE";

TEST_CASE("a packet filter says what each of its terms says") {
  CHECK(Parsed("") == "");
  CHECK(Parsed("  \t ") == "");
  CHECK(Parsed("tcp and dst port 80 and net 10.0.0.0/8 and dev eth0 and reason NETFILTER_DROP and "
               "netns 4026531840") ==
        "protocol=6 dst_port=80 net=::ffff:10.0.0.0/104 device=eth0 reason=NETFILTER_DROP "
        "netns=4026531840");
  CHECK(Parsed("ip6 and udp and src port 53 and port 1024 and src host fd00::1 and dst net ::/0") ==
        "version=6 protocol=17 src_port=53 port=1024 src=fd00::1/128 dst=::/0");
  CHECK(Parsed("icmp and host 127.0.0.1") == "protocol=1 net=::ffff:127.0.0.1/128");
  CHECK(Parsed("icmp6 and ip6") == "version=6 protocol=58");
  CHECK(Parsed("ip and proto 47") == "version=4 protocol=47");
  CHECK(Parsed("ip and net 0.0.0.0/0") == "version=4 net=::ffff:0.0.0.0/96");
  CHECK(Parsed("reason SKB_DROP_REASON_NO_SOCKET") == "reason=NO_SOCKET");
}

TEST_CASE("a packet filter that is not understood is refused with the place and what is accepted") {
  CHECK(Parsed("tpc") == "column 1: \"tpc\": " + kAll);
  CHECK(Parsed("tcp and") == "column 8: the end: " + kAll);
  CHECK(Parsed("tcp and and udp") == "column 9: \"and\": " + kAll);
  CHECK(Parsed("TCP") == "column 1: \"TCP\": " + kAll);
  CHECK(Parsed("tcp or udp") == "column 5: \"or\": between two terms only \"and\" is accepted");
  CHECK(Parsed("tcp port 80") == "column 5: \"port\": between two terms only \"and\" is accepted");
  CHECK(Parsed("port 0") == "column 6: \"0\": accepted is a number from 1 to 65535");
  CHECK(Parsed("port 65536") == "column 6: \"65536\": accepted is a number from 1 to 65535");
  CHECK(Parsed("port http") == "column 6: \"http\": accepted is a number from 1 to 65535");
  CHECK(Parsed("dst port") == "column 9: the end: accepted is a number from 1 to 65535");
  CHECK(Parsed("proto 256") == "column 7: \"256\": accepted is a number from 0 to 255");
  CHECK(Parsed("src tcp") == "column 5: \"tcp\": after \"src\" accepted are port, host and net");
  CHECK(Parsed("host localhost") ==
        "column 6: \"localhost\": accepted is an IPv4 or IPv6 address, without a name to look up");
  CHECK(Parsed("host 10.0.0.0/8") ==
        "column 6: \"10.0.0.0/8\": accepted is an IPv4 or IPv6 address, without a name to look up");
  CHECK(Parsed("net 10.0.0.1") ==
        "column 5: \"10.0.0.1\": accepted is ADDRESS/LENGTH, such as 10.0.0.0/8 or fd00::/8");
  CHECK(Parsed("net 10.0.0.0/33") == "column 14: \"33\": accepted is a number from 0 to 32");
  CHECK(Parsed("net fd00::/") == "column 12: the end: accepted is a number from 0 to 128");
  CHECK(Parsed("net 10.1.0.0/8") ==
        "column 5: \"10.1.0.0/8\": the address has bits set behind its prefix");
  CHECK(Parsed("dev a-name-of-16-byte") ==
        "column 5: \"a-name-of-16-byte\": accepted is a device's name of 1 to 15 bytes");
  CHECK(Parsed("reason 'drop'") ==
        "column 8: \"'drop'\": accepted is the kernel's name of a reason, such as NETFILTER_DROP");
  CHECK(Parsed("netns 4294967296") ==
        "column 7: \"4294967296\": accepted is a number from 1 to 4294967295");
  CHECK(Parsed(std::string(513, ' ')) == "column 513: accepted are 512 bytes");
}

TEST_CASE("a packet filter that no packet fulfils is refused") {
  CHECK(Parsed("tcp and udp") == "column 9: \"udp\": said before, and both cannot hold");
  CHECK(Parsed("port 1 and src port 2 and port 3") ==
        "column 27: \"port\": said before, and both cannot hold");
  CHECK(Parsed("host ::1 and net 10.0.0.0/8") ==
        "column 14: \"net\": said before, and both cannot hold");
  CHECK(Parsed("ip and dst host ::1") == "column 12: \"host\": IPv6, but column 1 says IPv4");
  CHECK(Parsed("src host 1.2.3.4 and icmp6") ==
        "column 22: \"icmp6\": IPv6, but column 5 says IPv4");
  CHECK(Parsed("icmp and port 7") == "column 10: \"port\": only TCP and UDP have ports");
  CHECK(Parsed("port 7 and proto 132") == "column 1: \"port\": only TCP and UDP have ports");
}

}  // namespace
}  // namespace huatuo
