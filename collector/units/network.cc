// What the network stack counts, for the host and for each network of the containers.
#include <unistd.h>

#include "collector/procfs/file_reader.h"
#include "collector/procfs/label.h"
#include "collector/procfs/network_spaces.h"
#include "collector/units/network_ext_rows.h"
#include "collector/units/network_files.h"
#include "collector/units/network_rows.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr auto kGauge = v1::MetricType::GAUGE;
constexpr auto kUntyped = v1::MetricType::UNTYPED;
constexpr std::string_view kDeviceLabel[] = {"device"};

constexpr std::array<MetricType, 13> kOwn = {{
    {"huatuo_node_arp_entries", "Entries of the ARP table.", kGauge, kDeviceLabel},
    {"huatuo_container_arp_entries", "Entries of the ARP table of the container's network.", kGauge,
     kDeviceLabel, true},
    {"huatuo_node_arp_cache_entries", "Entries of the ARP tables of all networks of the node.",
     kGauge},
    {"huatuo_node_tcp_memory_pages", "Pages of all TCP buffers.", kGauge},
    {"huatuo_node_tcp_memory_bytes", "The same in bytes.", kGauge},
    {"huatuo_node_tcp_memory_limit_pages", "Pages at which TCP drops: the last of tcp_mem.",
     kGauge},
    {"huatuo_node_tcp_memory_limit_bytes", "The same in bytes.", kGauge},
    {"huatuo_node_tcp_memory_ratio", "Pages of TCP buffers as share of that limit.", kGauge},
    {"huatuo_node_udp_memory_pages", "Pages of all UDP buffers.", kGauge},
    {"huatuo_node_udp_memory_bytes", "The same in bytes.", kGauge},
    {"huatuo_node_udp_memory_limit_pages", "Pages at which UDP drops: the last of udp_mem.",
     kGauge},
    {"huatuo_node_udp_memory_limit_bytes", "The same in bytes.", kGauge},
    {"huatuo_node_udp_memory_ratio", "Pages of UDP buffers as share of that limit.", kGauge},
}};

constexpr RowType kNodeCounts{kUntyped};
constexpr RowType kContainerCounts{kUntyped, true};

constexpr auto kMetrics = Concatenate(
    kOwn,  //
    RowMetrics<kSnmpRows, "huatuo_node_netstat_", kNodeCounts>::kMetrics,
    RowMetrics<kNetstatRows, "huatuo_node_netstat_", kNodeCounts>::kMetrics,
    RowMetrics<kSockstatRows, "huatuo_node_sockstat_", RowType{kGauge}>::kMetrics,
    RowMetrics<kSnmpRows, "huatuo_container_netstat_", kContainerCounts>::kMetrics,
    RowMetrics<kNetstatRows, "huatuo_container_netstat_", kContainerCounts>::kMetrics,
    RowMetrics<kSockstatRows, "huatuo_container_sockstat_", RowType{kGauge, true}>::kMetrics);

enum Metric : size_t {
  kArpNode,
  kArpContainer,
  kArpCache,
  kTcpMemory,
  kUdpMemory = kTcpMemory + 5
};

// Where the metrics of one side begin: the node's, or the containers'.
struct Side {
  size_t arp, netstat, sockstat;
};
constexpr size_t kNetstatCount = std::size(kSnmpRows) + std::size(kNetstatRows);
constexpr size_t kSideCount = kNetstatCount + std::size(kSockstatRows);
constexpr Side kNodeSide = {kArpNode, kOwn.size(), kOwn.size() + kNetstatCount};
constexpr Side kContainerSide = {kArpContainer, kOwn.size() + kSideCount,
                                 kOwn.size() + kSideCount + kNetstatCount};

// The files of one network; none is kept open, as the network would then outlive its container.
struct NetworkFileSet {
  explicit NetworkFileSet(std::string_view folder)
      : snmp(At(folder, "snmp")),
        netstat(At(folder, "netstat")),
        snmp6(At(folder, "snmp6")),
        sockstat(At(folder, "sockstat")),
        sockstat6(At(folder, "sockstat6")),
        arp(At(folder, "arp")) {}
  static KeptFile At(std::string_view folder, std::string_view name) {
    return KeptFile(std::string(folder).append(name), Presence::kOptional, false);
  }
  KeptFile snmp, netstat, snmp6, sockstat, sockstat6, arp;
};

// Which of them have anything that is sent: the kernel takes 10 to 40 us to write some.
struct Wanted {
  bool snmp = true, netstat = true, snmp6 = true, sockstat = true, sockstat6 = true, arp = true;
};

bool OfIpv6(const KeyRow& row) { return row.key[row.key.find('_') - 1] == '6'; }

bool AnyWanted(std::span<const KeyRow> rows, bool ipv6, size_t first, const MetricWriter& writer) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (OfIpv6(rows[i]) == ipv6 && writer.Wants(first + i)) return true;
  }
  return false;
}

Wanted WantedOf(const Side& side, const MetricWriter& writer) {
  return {.snmp = AnyWanted(kSnmpRows, false, side.netstat, writer),
          .netstat = AnyWanted(kNetstatRows, false, side.netstat + std::size(kSnmpRows), writer),
          .snmp6 = AnyWanted(kSnmpRows, true, side.netstat, writer),
          .sockstat = AnyWanted(kSockstatRows, false, side.sockstat, writer),
          .sockstat6 = AnyWanted(kSockstatRows, true, side.sockstat, writer),
          .arp = writer.Wants(side.arp)};
}

KeyIndex Snmp6Index() {
  KeyIndex index;
  for (size_t i = 0; i < std::size(kSnmpRows); ++i) {
    if (!OfIpv6(kSnmpRows[i])) continue;
    // "Ip6_InReceives" is "Ip6InReceives" there.
    std::string key(kSnmpRows[i].key);
    index.Add(key.erase(key.find('_'), 1), i);
  }
  return index;
}

class Network : public Instance {
 public:
  Network(const OpenRequest& request, const Resources& resources)
      : files_(resources.root, request, resources.sink),
        spaces_(resources.root, resources.context) {}

  absl::Status SetParameter(size_t, uint64_t) override { return absl::OkStatus(); }
  void OnContainers() override { spaces_.OnContainers(); }

  void Collect(MetricWriter& writer) override {
    sockets_of_node_ = {};
    CollectNetwork(host_, Wanted(), kNodeSide, nullptr, writer);
    SetMemory(sockets_of_node_.tcp, tcp_limit_, kTcpMemory, writer);
    SetMemory(sockets_of_node_.udp, udp_limit_, kUdpMemory, writer);
    if (const auto text = files_.Read(arp_cache_)) {
      const auto entries = ParseArpCache(*text);
      if (entries) writer.Set(kArpCache, {}, nullptr, *entries);
      if (!entries) files_.CountMalformed();
    }
    const auto spaces = spaces_.Look();
    const Wanted wanted = WantedOf(kContainerSide, writer);
    for (size_t i = 0; i < spaces.size(); ++i) {
      CollectNetwork(FilesOf(i, spaces[i].process), wanted, kContainerSide, &spaces[i].owner,
                     writer);
    }
  }

 private:
  struct Sockets {
    std::optional<double> tcp, udp;  // pages
  };
  struct Opened {
    std::string process;
    NetworkFileSet files;
  };

  NetworkFileSet& FilesOf(size_t i, const std::string& process) {
    if (i == opened_.size()) opened_.push_back({process, NetworkFileSet(process + "/net/")});
    if (opened_[i].process != process) opened_[i] = {process, NetworkFileSet(process + "/net/")};
    return opened_[i].files;
  }

  void CollectNetwork(NetworkFileSet& files, const Wanted& wanted, const Side& side,
                      const v1::Container* container, MetricWriter& writer) {
    if (wanted.snmp) Rows(files.snmp, snmp_, side.netstat, container, writer);
    if (wanted.netstat) Rows(files.netstat, netstat_, side.netstat, container, writer);
    if (wanted.snmp6) Rows(files.snmp6, snmp6_, side.netstat, container, writer);
    if (wanted.sockstat) Rows(files.sockstat, sockstat_, side.sockstat, container, writer);
    if (wanted.sockstat6) Rows(files.sockstat6, sockstat6_, side.sockstat, container, writer);
    if (wanted.arp) SetArp(files.arp, side.arp, container, writer);
  }

  template <typename Parser>
  void Rows(KeptFile& file, Parser& parser, size_t first, const v1::Container* container,
            MetricWriter& writer) {
    const auto text = files_.Read(file);
    if (!text) return;
    const auto readings = parser.Parse(*text);
    if (!readings) return files_.CountMalformed();
    for (const KeyReading& one : *readings) {
      if (container == nullptr && first == kNodeSide.sockstat) Remember(one);
      writer.Set(first + one.row, {}, container, one.value);
    }
  }

  void Remember(const KeyReading& reading) {
    if (kSockstatRows[reading.row].key == "TCP_mem") sockets_of_node_.tcp = reading.value;
    if (kSockstatRows[reading.row].key == "UDP_mem") sockets_of_node_.udp = reading.value;
  }

  void SetArp(KeptFile& file, size_t metric, const v1::Container* container, MetricWriter& writer) {
    const auto text = files_.Read(file);
    if (!text) return;
    const auto devices = arp_.Parse(*text);
    if (!devices) return files_.CountMalformed();
    for (const DeviceEntries& device : *devices) {
      const std::string_view label = LabelOf(device.device, room_);
      writer.Set(metric, {&label, 1}, container, device.entries);
    }
  }

  void SetMemory(std::optional<double> pages, KeptFile& limit_file, size_t metric,
                 MetricWriter& writer) {
    if (!pages) return;
    static const auto kPageBytes = static_cast<double>(sysconf(_SC_PAGESIZE));
    writer.Set(metric, {}, nullptr, *pages);
    writer.Set(metric + 1, {}, nullptr, *pages * kPageBytes);
    const auto text = files_.Read(limit_file);
    if (!text) return;
    const auto limit = ParseMemoryLimit(*text);
    if (!limit) return files_.CountMalformed();
    writer.Set(metric + 2, {}, nullptr, *limit);
    writer.Set(metric + 3, {}, nullptr, *limit * kPageBytes);
    if (*limit > 0) writer.Set(metric + 4, {}, nullptr, *pages / *limit);
  }

  FileReader files_;
  NetworkSpaces spaces_;
  NetworkFileSet host_{"/proc/net/"};
  KeptFile arp_cache_{"/proc/net/stat/arp_cache", Presence::kOptional};
  KeptFile tcp_limit_{"/proc/sys/net/ipv4/tcp_mem", Presence::kOptional};
  KeptFile udp_limit_{"/proc/sys/net/ipv4/udp_mem", Presence::kOptional};
  std::vector<Opened> opened_;  // by place in spaces_
  PairedLines snmp_{kSnmpRows, 0};
  PairedLines netstat_{kNetstatRows, std::size(kSnmpRows)};
  KeyIndex snmp6_ = Snmp6Index();
  SocketCounts sockstat_{kSockstatRows};
  SocketCounts sockstat6_{kSockstatRows};
  ArpTable arp_;
  Sockets sockets_of_node_;
  std::string room_;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  RETURN_IF_ERROR(resources.root.Read("/proc/net/snmp").status());
  return std::make_unique<Network>(request, resources);
}

constexpr Mechanism kMechanisms[] = {{"procfs", "", &Open}};

constexpr MetricSource kSources[] = {
    {"huatuo_node_arp_cache_entries", "/proc/net/stat/arp_cache"},
    {"huatuo_node_arp_", "/proc/net/arp"},
    {"huatuo_container_arp_", "/proc/PID/net/arp"},
    {"huatuo_node_netstat_", "/proc/net: snmp, netstat", true},
    {"huatuo_container_netstat_", "/proc/PID/net: snmp, netstat", true},
    {"huatuo_node_sockstat_", "/proc/net: sockstat, sockstat6", true},
    {"huatuo_container_sockstat_", "/proc/PID/net: sockstat, sockstat6", true},
    {"huatuo_node_tcp_memory_limit_", "/proc/sys/net/ipv4/tcp_mem"},
    {"huatuo_node_udp_memory_limit_", "/proc/sys/net/ipv4/udp_mem"},
    {"huatuo_node_tcp_memory_", "/proc/net/sockstat"},
    {"huatuo_node_udp_memory_", "/proc/net/sockstat"},
};

}  // namespace

extern constexpr Unit kNetwork = {
    .name = "network",
    .help =
        "What the network stack counts: protocols, sockets, buffers and ARP, of the host and of "
        "each network that containers have.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
