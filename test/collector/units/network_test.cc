#include "collector/units/network_files.h"
#include "test/collector/units/unit_bench.h"

namespace huatuo {

extern const Unit kNetwork;

namespace {

constexpr const char* kSnmp =
    "Ip: Forwarding DefaultTTL InReceives\nIp: 2 64 9363026\n"
    "IcmpMsg: InType3\nIcmpMsg: 5\n"
    "Tcp: RtoAlgorithm MaxConn RetransSegs OutSegs\nTcp: 1 -1 86 9299697\n";
constexpr const char* kNetstat =
    "TcpExt: ListenOverflows FieldToCome ListenDrops\nTcpExt: 11 12 13\n"
    "IpExt: InOctets OutOctets\nIpExt: 6282453814 4593670368\n";
constexpr const char* kSnmp6 =
    "Ip6InReceives                   \t7\nUdp6NoPorts   \t3\nIcmp6New \t1\n";
constexpr const char* kSockstat =
    "sockets: used 11\nTCP: inuse 1 orphan 0 tw 2 alloc 11 mem 20\nUDP: inuse 0 mem 5\n";
constexpr const char* kSockstat6 = "TCP6: inuse 4\n";
constexpr const char* kArp =
    "IP address       HW type     Flags       HW address            Mask     Device\n"
    "192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0\n"
    "192.0.2.2        0x1         0x0         00:00:00:00:00:00     *        eth0\n"
    "192.0.2.3        0x1         0x2         02:fc:00:00:00:06     *        a\"b\xff\n";

constexpr KeyRow kUdp[] = {{"Udp_A", ""}, {"Udp_B", ""}};

void Network(const UnitBench& bench, const std::string& folder) {
  bench.tree.Make(folder);
  bench.tree.Write(folder + "/snmp", kSnmp);
  bench.tree.Write(folder + "/netstat", kNetstat);
  bench.tree.Write(folder + "/snmp6", kSnmp6);
  bench.tree.Write(folder + "/sockstat", kSockstat);
  bench.tree.Write(folder + "/sockstat6", kSockstat6);
  bench.tree.Write(folder + "/arp", kArp);
}

void Process(const UnitBench& bench, int pid, int inode) {
  const std::string folder = fmt::format("/proc/{}", pid);
  bench.tree.Make(folder + "/ns");
  bench.tree.Remove(folder + "/ns/net");
  std::filesystem::create_symlink(fmt::format("net:[{}]", inode),
                                  bench.tree.Path(folder + "/ns/net"));
  Network(bench, folder + "/net");
}

struct Bench : UnitBench {
  Bench() : UnitBench(kNetwork, "v2-systemd-containerd") {
    Network(*this, "/proc/net");
    Process(*this, 1, 4000);
  }
  // Of the containers a1a1 and b2b2, which are in one pod.
  void Containers(int a, int b) const {
    Process(*this, 1001, a);
    Process(*this, 1002, b);
  }
};

TEST_CASE("the host: protocols, sockets, buffers, ARP") {
  Bench bench;
  bench.tree.Make("/proc/net/stat");
  bench.tree.Write("/proc/net/stat/arp_cache", "entries  allocs\n0000001f  0000015d\n0000001f 1\n");
  bench.tree.Remove("/proc/sys/net/ipv4/udp_mem");
  bench.tree.Write("/proc/sys/net/ipv4/tcp_mem", "50\t60\t80\n");
  const MetricLines round = bench.Round();
  CHECK(round.With("netstat") ==
        "huatuo_node_netstat_Ip6_InReceives 7\n"
        "huatuo_node_netstat_IpExt_InOctets 6.28245e+09\n"
        "huatuo_node_netstat_IpExt_OutOctets 4.59367e+09\n"
        "huatuo_node_netstat_Ip_DefaultTTL 64\n"
        "huatuo_node_netstat_Ip_Forwarding 2\n"
        "huatuo_node_netstat_Ip_InReceives 9.36303e+06\n"
        "huatuo_node_netstat_TcpExt_ListenDrops 13\n"
        "huatuo_node_netstat_TcpExt_ListenOverflows 11\n"
        "huatuo_node_netstat_Tcp_MaxConn -1\n"
        "huatuo_node_netstat_Tcp_OutSegs 9.2997e+06\n"
        "huatuo_node_netstat_Tcp_RetransSegs 86\n"
        "huatuo_node_netstat_Tcp_RtoAlgorithm 1\n"
        "huatuo_node_netstat_Udp6_NoPorts 3\n");
  CHECK(round.With("sockstat") ==
        "huatuo_node_sockstat_TCP6_inuse 4\n"
        "huatuo_node_sockstat_TCP_alloc 11\n"
        "huatuo_node_sockstat_TCP_inuse 1\n"
        "huatuo_node_sockstat_TCP_mem 20\n"
        "huatuo_node_sockstat_TCP_orphan 0\n"
        "huatuo_node_sockstat_TCP_tw 2\n"
        "huatuo_node_sockstat_UDP_inuse 0\n"
        "huatuo_node_sockstat_UDP_mem 5\n"
        "huatuo_node_sockstat_sockets_used 11\n");
  CHECK(round.With("_memory_") ==
        "huatuo_node_tcp_memory_bytes 81920\n"
        "huatuo_node_tcp_memory_limit_bytes 327680\n"
        "huatuo_node_tcp_memory_limit_pages 80\n"
        "huatuo_node_tcp_memory_pages 20\n"
        "huatuo_node_tcp_memory_ratio 0.25\n"
        "huatuo_node_udp_memory_bytes 20480\n"
        "huatuo_node_udp_memory_pages 5\n");
  CHECK(round.With("arp") ==
        "huatuo_node_arp_cache_entries 31\n"
        "huatuo_node_arp_entries a\"b? 1\n"
        "huatuo_node_arp_entries eth0 2\n");
  CHECK(round.With("_container_").empty());
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("a container with a network of its own; one in the host's has none") {
  Bench bench;
  bench.Containers(4001, 4000);
  const MetricLines round = bench.Round();
  CHECK(round.With("RetransSegs") ==
        "huatuo_container_netstat_Tcp_RetransSegs [a1a1] 86\n"
        "huatuo_node_netstat_Tcp_RetransSegs 86\n");
  CHECK(round.With("container_arp") ==
        "huatuo_container_arp_entries a\"b? [a1a1] 1\n"
        "huatuo_container_arp_entries eth0 [a1a1] 2\n");
}

TEST_CASE("a container's file of which nothing is sent is not read") {
  class OnlyIpv4 : public MetricLines {
   public:
    OnlyIpv4() : MetricLines(kNetwork) {}
    bool Wants(size_t metric) const override {
      const std::string_view name = kNetwork.metrics[metric].name;
      return name.starts_with("huatuo_container_") && name.find("6_") == std::string_view::npos;
    }
  };
  Bench bench;
  bench.Containers(4001, 4000);
  bench.tree.Write("/proc/1001/net/snmp6", "cut");
  bench.tree.Write("/proc/1001/net/sockstat6", "cut");
  bench.Open();
  OnlyIpv4 round;
  bench.unit->Collect(round);
  CHECK(round.With("container_sockstat_TCP") ==
        "huatuo_container_sockstat_TCP_alloc [a1a1] 11\n"
        "huatuo_container_sockstat_TCP_inuse [a1a1] 1\n"
        "huatuo_container_sockstat_TCP_mem [a1a1] 20\n"
        "huatuo_container_sockstat_TCP_orphan [a1a1] 0\n"
        "huatuo_container_sockstat_TCP_tw [a1a1] 2\n");
  CHECK_FALSE(round.With("container_netstat_Tcp").empty());
  CHECK_FALSE(round.With("node_netstat_Ip6").empty());
  CHECK(bench.losses.Text().empty());
  bench.Round();
  CHECK(bench.losses.Text() == "malformed_file 2\n");
}

TEST_CASE("containers that share a network are one pod, told once") {
  Bench bench;
  bench.Containers(4001, 4001);
  CHECK(bench.Round().With("container_netstat_Tcp_RetransSegs") ==
        "huatuo_container_netstat_Tcp_RetransSegs [] 86\n");
}

TEST_CASE("a process that ended, or went elsewhere, is found anew") {
  Bench bench;
  bench.Containers(4001, 4002);
  CHECK_FALSE(bench.Round().With("OutSegs [a1a1]").empty());
  bench.tree.Remove("/proc/1001");
  CHECK(bench.Round().With("OutSegs [a1a1]").empty());
  Process(bench, 1111, 4001);
  bench.tree.Write(kContainerA + "/cgroup.procs", "1111\n");
  CHECK_FALSE(bench.Round().With("OutSegs [a1a1]").empty());
  bench.tree.Remove(kContainerA);
  bench.FindContainers();
  const MetricLines round = bench.Round();
  CHECK(round.With("OutSegs [a1a1]").empty());
  CHECK_FALSE(round.With("OutSegs [b2b2]").empty());
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("a bad file costs its own readings, and is counted") {
  Bench bench;
  const auto after = [&](const std::string& file, const std::string& text) {
    bench.tree.Write("/proc/net/" + file, text);
    return bench.Round().With("_node_");
  };
  const auto lacks = [&](const std::string& text, const std::string& part) {
    return text.find(part) == std::string::npos;
  };
  CHECK(lacks(after("snmp", ""), "Tcp_"));
  CHECK(lacks(after("snmp", "Tcp: OutSegs\n"), "Tcp_"));
  CHECK(lacks(after("snmp", "Tcp: OutSegs RetransSegs\nTcp: 1\n"), "Tcp_"));
  CHECK(lacks(after("snmp", "Tcp: OutSegs\nUdp: 1\n"), "Tcp_"));
  CHECK(lacks(after("snmp", "Tcp: OutSegs\nTcp: 18446744073709551616\n"), "Tcp_"));
  CHECK(bench.losses.Text() == "malformed_file 5\n");
  CHECK_FALSE(lacks(after("snmp", kSnmp), "Tcp_OutSegs 9.2997e+06"));
  CHECK(lacks(after("sockstat", "TCP: inuse"), "sockstat_TCP_"));
  CHECK(lacks(after("sockstat", "TCP inuse 1\n"), "sockstat_TCP_"));
  CHECK(lacks(after("arp", "192.0.2.1 eth0\n"), "arp_entries"));
  CHECK(lacks(after("arp", std::string(kArp) + "192.0"), "arp_entries"));
  CHECK(bench.losses.Text() == "malformed_file 11\n");
}

TEST_CASE("the names of fields may change their order between two rounds") {
  PairedLines lines(kUdp, 10);
  const auto print = [&](std::string_view text) {
    std::string out;
    for (const KeyReading& one : lines.Parse(text).value_or(std::span<const KeyReading>())) {
      out += fmt::format("{}={} ", one.row, one.value);
    }
    return out;
  };
  CHECK(print("Udp: A B\nUdp: 1 2\n") == "10=1 11=2 ");
  CHECK(print("Udp: B A\nUdp: 1 2\n") == "11=1 10=2 ");
  CHECK(print("X: A\nX: 9\nUdp: B\nUdp: 3\n") == "11=3 ");
}

}  // namespace
}  // namespace huatuo
