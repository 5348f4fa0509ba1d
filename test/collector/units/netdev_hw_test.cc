#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include <cstring>

#include "collector/units/netdev_hw_drops.h"
#include "collector/units/netdev_hw_pfc.h"
#include "test/collector/units/unit_bench.h"

namespace huatuo {

extern const Unit kNetdevHw;

namespace {

std::string Drops(const std::vector<EthtoolCount>& counts) {
  std::string text;
  for (const auto& [kind, value] : HardwareDrops(counts))
    text += fmt::format("{} {}\n", kind, value);
  return text;
}

TEST_CASE("what drivers call a drop, without the numbers of queues") {
  CHECK(Drops({{"rx_packets", 1000},
               {"rx_out_of_buffer", 1},
               {"rx_discards_phy", 2},
               {"rx_prio0_discards", 3},
               {"rx_prio7_discards", 4},
               {"rx_xdp_drop", 99},
               {"rx_cache_full", 99},
               {"tx_queue_dropped", 5}}) ==
        "rx_discards_phy 2\nrx_out_of_buffer 1\nrx_prio_discards 7\ntx_queue_dropped 5\n");
  CHECK(Drops({{"rx_missed_errors", 1}, {"rx_no_buffer_count", 2}, {"rx_queue_11_drops", 3}}) ==
        "rx_missed_errors 1\nrx_no_buffer_count 2\nrx_queue_drops 3\n");
  CHECK(Drops({{"[0]: rx_discards", 1}, {"[15]: rx_discards", 2}}) == "rx_discards 3\n");
  CHECK(Drops({{"bw_in_allowance_exceeded", 7}, {"port.rx_dropped", 1}}) ==
        "bw_in_allowance_exceeded 7\nport_rx_dropped 1\n");
  CHECK(Drops({{"  Rx OOB", 3}, {"drv dropped rx total", 4}}) ==
        "drv_dropped_rx_total 4\nrx_oob 3\n");
  CHECK(Drops({{"", 1}, {"\xff\"drop\n", 2}}) == "drop 2\n");
}

TEST_CASE("a driver with more kinds than are told") {
  std::vector<EthtoolCount> counts;
  for (char a = 'a'; a <= 'z'; ++a) {
    for (const char* side : {"rx", "tx"}) counts.push_back({fmt::format("{}_{}_drop", side, a), 1});
  }
  const auto drops = HardwareDrops(counts);
  CHECK(drops.size() == kMaxDropKinds + 1);
  CHECK(drops.at("~other") == 52 - kMaxDropKinds);
}

// A reply of the kernel to DCB_CMD_IEEE_GET as it lays it out.
std::vector<char> Reply(const ieee_pfc& pfc, size_t pfc_bytes = sizeof(ieee_pfc)) {
  std::vector<char> bytes(NLMSG_LENGTH(sizeof(dcbmsg)));
  const auto append = [&](uint16_t type, const void* data, size_t size) {
    const rtattr head{static_cast<uint16_t>(RTA_LENGTH(size)), type};
    const auto* begin = reinterpret_cast<const char*>(&head);
    bytes.insert(bytes.end(), begin, begin + sizeof(head));
    const auto* payload = static_cast<const char*>(data);
    bytes.insert(bytes.end(), payload, payload + size);
    bytes.resize(NLMSG_ALIGN(bytes.size()));
  };
  append(DCB_ATTR_IFNAME, "eth0", 5);
  const size_t nest = bytes.size();
  const rtattr outer{0, DCB_ATTR_IEEE};
  bytes.insert(bytes.end(), reinterpret_cast<const char*>(&outer),
               reinterpret_cast<const char*>(&outer) + sizeof(outer));
  append(DCB_ATTR_IEEE_PFC, &pfc, pfc_bytes);
  reinterpret_cast<rtattr*>(bytes.data() + nest)->rta_len =
      static_cast<uint16_t>(bytes.size() - nest);
  auto* header = reinterpret_cast<nlmsghdr*>(bytes.data());
  header->nlmsg_type = RTM_GETDCB;
  header->nlmsg_len = static_cast<uint32_t>(bytes.size());
  return bytes;
}

std::string Print(const std::vector<char>& bytes) {
  const auto frames = ParsePauseFrames(*reinterpret_cast<const nlmsghdr*>(bytes.data()));
  if (!frames) return "none";
  return fmt::format("{:08b} sent {} received {}", frames->enabled, fmt::join(frames->sent, " "),
                     fmt::join(frames->received, " "));
}

TEST_CASE("frames of priority flow control, as the kernel lays them out") {
  ieee_pfc pfc{};
  pfc.pfc_en = 0b1001;
  pfc.requests[0] = 1;
  pfc.requests[3] = 18446744073709551615ULL;
  pfc.indications[7] = 5;
  CHECK(Print(Reply(pfc)) ==
        "00001001 sent 1 0 0 18446744073709551615 0 0 0 0 received 0 0 0 0 0 0 0 5");
  // Of a kernel that has less of it.
  CHECK(Print(Reply(pfc, 16)) == "00001001 sent 1 0 0 0 0 0 0 0 received 0 0 0 0 0 0 0 0");
  std::vector<char> other = Reply(pfc);
  reinterpret_cast<nlmsghdr*>(other.data())->nlmsg_type = RTM_NEWLINK;
  CHECK(Print(other) == "none");
}

TEST_CASE("a reply that was cut tells nothing, or what is whole of it") {
  const std::vector<char> whole = Reply(ieee_pfc{});
  for (size_t size = sizeof(nlmsghdr); size < whole.size(); ++size) {
    std::vector<char> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    reinterpret_cast<nlmsghdr*>(cut.data())->nlmsg_len = static_cast<uint32_t>(size);
    CHECK(Print(cut) == "none");
  }
}

constexpr const char* kPort = "/sys/class/infiniband/mlx5_0/ports/1";

struct RdmaBench : UnitBench {
  RdmaBench() : UnitBench(kNetdevHw, "v2-systemd-containerd") {
    tree.Make(std::string(kPort) + "/counters");
    tree.Make(std::string(kPort) + "/hw_counters");
    Counter("counters/port_xmit_wait", "12345\n");
    Counter("hw_counters/out_of_sequence", "7\n");
  }
  void Counter(const std::string& name, const std::string& text) const {
    tree.Write(fmt::format("{}/{}", kPort, name), text);
  }
};

TEST_CASE("the counters of an RDMA port are those of its files") {
  RdmaBench bench;
  bench.Counter("counters/port_xmit_data", "18446744073709551615\n");
  bench.Counter("counters/link_downed", "N/A (no PMA)\n");
  bench.Counter("counters/symbol_error", "");
  bench.Counter("hw_counters/lifespan", "10\n");
  CHECK(bench.Round().With("rdma") ==
        "huatuo_node_rdma_port_counter_total mlx5_0 1 out_of_sequence 7\n"
        "huatuo_node_rdma_port_counter_total mlx5_0 1 port_xmit_data 1.84467e+19\n"
        "huatuo_node_rdma_port_counter_total mlx5_0 1 port_xmit_wait 12345\n");
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("hardware is asked again after the interval, and leaves when it has gone") {
  RdmaBench bench;
  bench.parameters = {25};
  CHECK(bench.Round().With("out_of_sequence").ends_with(" 7\n"));
  bench.Counter("hw_counters/out_of_sequence", "8\n");
  // A round is 10 s.
  CHECK(bench.Round().With("out_of_sequence").ends_with(" 7\n"));
  CHECK(bench.Round().With("out_of_sequence").ends_with(" 7\n"));
  CHECK(bench.Round().With("out_of_sequence").ends_with(" 8\n"));
  bench.tree.Remove("/sys/class/infiniband/mlx5_0");
  CHECK(bench.unit->SetParameter(0, 1).ok());
  CHECK(bench.Round().With("rdma").empty());
}

TEST_CASE("a port with more counters than are told says so") {
  RdmaBench bench;
  for (int i = 0; i < 100; ++i) bench.Counter(fmt::format("counters/a{:03}", i), "1\n");
  CHECK(std::ranges::count(bench.Round().With("rdma"), '\n') == 96);
  CHECK(bench.losses.Text() == "rdma_counters 2\n");
}

}  // namespace
}  // namespace huatuo
