// Network devices of the host and of the containers' networks, as rtnetlink counts them.
#include <fmt/format.h>

#include "collector/instance.h"
#include "collector/procfs/label.h"
#include "collector/procfs/netlink.h"
#include "collector/procfs/network_spaces.h"
#include "collector/units/netdev_links.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr auto kCounter = v1::MetricType::COUNTER;
constexpr auto kGauge = v1::MetricType::GAUGE;
constexpr std::string_view kDeviceLabel[] = {"device"};
constexpr std::string_view kQdiscLabels[] = {"device", "kind", "handle"};

constexpr std::array<MetricType, 11> kOwn = {{
    {"huatuo_node_netdev_up", "1: the device is switched on and has a carrier.", kGauge,
     kDeviceLabel},
    {"huatuo_container_netdev_up", "1: the device is switched on and has a carrier.", kGauge,
     kDeviceLabel, true},
    {"huatuo_node_netdev_carrier_changes_total", "How often the carrier came or went.", kCounter,
     kDeviceLabel},
    {.name = "huatuo_container_netdev_carrier_changes_total",
     .help = "How often the carrier came or went.",
     .type = kCounter,
     .labels = kDeviceLabel,
     .container = true,
     .on_request = true},
    {"huatuo_node_qdisc_bytes_total", "Bytes that left the queue.", kCounter, kQdiscLabels},
    {"huatuo_node_qdisc_packets_total", "Packets that left the queue.", kCounter, kQdiscLabels},
    {"huatuo_node_qdisc_drops_total", "Packets that the queue dropped.", kCounter, kQdiscLabels},
    {"huatuo_node_qdisc_requeues_total", "Packets that the device could not take yet.", kCounter,
     kQdiscLabels},
    {"huatuo_node_qdisc_overlimits_total", "Times that a limit held packets back.", kCounter,
     kQdiscLabels},
    {"huatuo_node_qdisc_backlog_bytes", "Bytes in the queue.", kGauge, kQdiscLabels},
    {"huatuo_node_qdisc_queue_length", "Packets in the queue.", kGauge, kQdiscLabels},
}};

constexpr auto kMetrics = Concatenate(
    kOwn,
    RowMetrics<kLinkRows, "huatuo_node_netdev_", RowType{kCounter, false, kDeviceLabel}>::kMetrics,
    RowMetrics<kLinkRows, "huatuo_container_netdev_",
               RowType{kCounter, true, kDeviceLabel}>::kMetrics);

// Where the metrics of one side are: the node's, or the containers'.
struct Side {
  size_t up, carrier_changes, counts;
};
constexpr Side kNodeSide = {0, 2, kOwn.size()};
constexpr Side kContainerSide = {1, 3, kOwn.size() + std::size(kLinkRows)};
constexpr size_t kFirstQdisc = 4;

class Netdev : public Instance {
 public:
  // `inside`: also of the devices in the containers' networks.
  Netdev(const OpenRequest& request, const Resources& resources, Netlink netlink, bool inside)
      : request_(request),
        inside_(inside),
        root_(resources.root),
        sink_(resources.sink),
        netlink_(std::move(netlink)),
        spaces_(resources.root, resources.context) {}

  absl::Status SetParameter(size_t, uint64_t) override { return absl::OkStatus(); }
  void OnContainers() override { spaces_.OnContainers(); }

  void Collect(MetricWriter& writer) override {
    links_.clear();
    if (ReadLinks(netlink_)) {
      for (const Link& link : links_) SetLink(link, kNodeSide, nullptr, writer);
      CollectQdiscs(writer);
    }
    if (!inside_) return;
    for (const NetworkSpaces::Space& space : spaces_.Look()) CollectSpace(space, writer);
  }

 private:
  // False when the dump broke off: half of the devices would look like the end of the others.
  bool ReadLinks(Netlink& netlink) {
    links_.clear();
    return Done(netlink.Dump(RTM_GETLINK, room_, [this](const nlmsghdr& message) {
      if (const auto link = ParseLink(message)) links_.push_back(*link);
    }));
  }

  bool Done(const absl::Status& status) {
    if (!status.ok()) sink_.Lost(request_, "netlink_dump", 1);
    return status.ok();
  }

  void SetLink(const Link& link, const Side& side, const v1::Container* container,
               MetricWriter& writer) {
    const std::string_view label = LabelOf(link.name(), name_);
    const auto set = [&](size_t metric, double value) {
      writer.Set(metric, {&label, 1}, container, value);
    };
    set(side.up, link.up ? 1 : 0);
    if (link.carrier_changes) set(side.carrier_changes, *link.carrier_changes);
    for (size_t i = 0; i < link.count; ++i) {
      set(side.counts + i, static_cast<double>(link.counts[i]));
    }
  }

  void CollectSpace(const NetworkSpaces::Space& space, MetricWriter& writer) {
    auto netlink = Netlink::OpenIn(root_.prefix() + space.process);
    // A process that ended is found anew in the next round.
    if (absl::IsNotFound(netlink.status())) return;
    if (!Done(netlink.status()) || !ReadLinks(*netlink)) return;
    for (const Link& link : links_) {
      // The loopback of every container tells nobody anything.
      if (link.name() != "lo") SetLink(link, kContainerSide, &space.owner, writer);
    }
  }

  // Queues without a handle, one for each queue of a device, count as one.
  void AddQdisc(const Qdisc& qdisc) {
    if (qdisc.kind() == "noqueue") return;  // counts nothing
    for (Qdisc& known : qdiscs_) {
      if (known.link != qdisc.link || known.handle != qdisc.handle) continue;
      if (known.kind() != qdisc.kind()) continue;
      known.bytes += qdisc.bytes;
      known.packets += qdisc.packets;
      known.drops += qdisc.drops;
      known.requeues += qdisc.requeues;
      known.overlimits += qdisc.overlimits;
      known.backlog_bytes += qdisc.backlog_bytes;
      known.queue_length += qdisc.queue_length;
      return;
    }
    qdiscs_.push_back(qdisc);
  }

  void CollectQdiscs(MetricWriter& writer) {
    qdiscs_.clear();
    const bool done = Done(netlink_.Dump(RTM_GETQDISC, room_, [this](const nlmsghdr& message) {
      if (const auto qdisc = ParseQdisc(message)) AddQdisc(*qdisc);
    }));
    if (!done) return;
    for (const Qdisc& qdisc : qdiscs_) {
      const auto link = std::ranges::find(links_, qdisc.link, &Link::index);
      // A device that came between the two dumps.
      if (link != links_.end()) SetQdisc(qdisc, LabelOf(link->name(), name_), writer);
    }
  }

  void SetQdisc(const Qdisc& qdisc, std::string_view device, MetricWriter& writer) {
    // As tc writes it: "8001:".
    char handle[16];
    const char* const end =
        fmt::format_to(handle, "{:x}:", static_cast<uint32_t>(qdisc.handle >> 16));
    const std::string_view labels[] = {device, qdisc.kind(), {handle, end}};
    const uint64_t values[] = {qdisc.bytes,       qdisc.packets,    qdisc.drops,
                               qdisc.requeues,    qdisc.overlimits, qdisc.backlog_bytes,
                               qdisc.queue_length};
    for (size_t i = 0; i < std::size(values); ++i) {
      writer.Set(kFirstQdisc + i, labels, nullptr, static_cast<double>(values[i]));
    }
  }

  const OpenRequest request_;
  const bool inside_;
  const Root& root_;
  EventSink& sink_;
  Netlink netlink_;
  NetworkSpaces spaces_;
  std::vector<Link> links_;
  std::vector<Qdisc> qdiscs_;
  std::vector<std::byte> room_;
  std::string name_;
};

absl::StatusOr<std::unique_ptr<Instance>> OpenAll(const OpenRequest& request,
                                                  const Resources& resources) {
  // What may enter its own network may enter others.
  ASSIGN_OR_RETURN(Netlink netlink, Netlink::OpenIn("/proc/self"));
  return std::make_unique<Netdev>(request, resources, std::move(netlink), true);
}

absl::StatusOr<std::unique_ptr<Instance>> OpenHost(const OpenRequest& request,
                                                   const Resources& resources) {
  ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
  return std::make_unique<Netdev>(request, resources, std::move(netlink), false);
}

constexpr Mechanism kMechanisms[] = {
    {"rtnetlink", "", &OpenAll},
    {"rtnetlink_host", "the devices in the networks of containers", &OpenHost},
};

constexpr MetricSource kSources[] = {
    {"huatuo_node_qdisc_", "rtnetlink: RTM_GETQDISC"},
    {"", "rtnetlink: RTM_GETLINK"},
};

}  // namespace

extern constexpr Unit kNetdev = {
    .name = "netdev",
    .help =
        "Network devices and their queues: what they carried, dropped and failed, of the host "
        "and of each network that containers have.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
