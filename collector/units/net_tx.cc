// How long packets take on their way out of the node: in the stack, and in a queue.
#include "bpf/net_tx.h"

#include <bpf/bpf.h>
#include <net/if.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/net_tx.skel.h"
#include "collector/kernel/counting_instance.h"
#include "collector/kernel/latency_metric.h"
#include "collector/procfs/label.h"
#include "collector/procfs/netlink.h"
#include "collector/unit.h"
#include "collector/units/netdev_links.h"
#include "common/log.h"

namespace huatuo {
namespace {

enum Metric : size_t { kSend, kQueue, kUntimed };

constexpr std::string_view kDeviceLabel[] = {"device"};
constexpr std::string_view kReasonLabel[] = {"reason"};

constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_skb_send_latency_seconds",
     .help = "Time from a protocol's giving a packet down until it goes to its device's driver; of "
             "a paced segment of TCP from when it was to leave. Also what a container sent through "
             "devices of its own; segments of TCP since 5.18. A large segment of TCP counts once, "
             "before it is cut for its device; each of its pieces where net_dev_start_xmit counts "
             "or the driver gives them back. A datagram that the kernel cuts for a device counts "
             "once, or not at all where it is copied.",
     .type = v1::MetricType::HISTOGRAM,
     .labels = kDeviceLabel,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_node_qdisc_latency_seconds",
     .help = "Time that packets were in a queue of the device. Packets that an empty queue lets "
             "through at once are not counted.",
     .type = v1::MetricType::HISTOGRAM,
     .labels = kDeviceLabel,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_collector_net_tx_untimed_total",
     .help = "Packets that are missing in one of the two. no_room: of too many devices; "
             "overwritten: of too many packets in queues, or it was dropped in its queue; "
             "sent_overwritten: a datagram, of too many on their way, or it was dropped or led "
             "to a virtual device there; forwarded_overwritten: the same of one that was sent to "
             "a virtual device, which may have been the end of its way; bulk: it left its queue "
             "behind 64 others at once.",
     .type = v1::MetricType::COUNTER,
     .labels = kReasonLabel},
};

constexpr std::array<std::string_view, NET_TX_COUNTS> kReasons = {
    "no_room", "overwritten", "sent_overwritten", "forwarded_overwritten", "bulk"};

constexpr Parameter kParameters[] = {
    {.name = "virtual_devices",
     .help = "1: skb_send_latency also of devices without hardware behind them (veth, bridge, "
             "loopback), where a segment counts at each of them. A program then runs for every "
             "packet to any device.",
     .unit = "",
     .default_value = 0,
     .minimum = 0,
     .maximum = 1},
};

class NetTx : public CountingInstance {
 public:
  NetTx(std::unique_ptr<BpfObject> object, const Resources& resources)
      : CountingInstance(std::move(object), resources) {}

  absl::Status SetParameter(size_t, uint64_t value) override {
    return object().SetTunable("virtual_devices", value);
  }

  void Collect(MetricWriter& writer) override {
    CollectDevices("sends", kSend, writer);
    CollectDevices("waits", kQueue, writer);
    for (uint32_t i = 0; i < NET_TX_COUNTS; ++i) {
      writer.Set(kUntimed, {&kReasons[i], 1}, nullptr, static_cast<double>(Count(i)));
    }
  }

 private:
  // Devices that are gone make room.
  void CollectDevices(const std::string& map, Metric metric, MetricWriter& writer) {
    const int fd = object().MapFd(map);
    std::vector<net_tx_device> devices;
    net_tx_device device{};
    for (const net_tx_device* last = nullptr; bpf_map_get_next_key(fd, last, &device) == 0;
         last = &device) {
      // A walk that meets a removed key begins anew.
      if (devices.size() >= NET_TX_DEVICES) break;
      devices.push_back(device);
    }
    for (net_tx_device& each : devices) {
      each.name[sizeof(each.name) - 1] = '\0';
      if (if_nametoindex(each.name) == 0) {
        bpf_map_delete_elem(fd, &each);
        continue;
      }
      cpus_.resize(static_cast<size_t>(PossibleCpus()));
      if (bpf_map_lookup_elem(fd, &each, cpus_.data()) != 0) continue;
      const std::string_view label = LabelOf(each.name, name_);
      SetLatency(writer, metric, {&label, 1}, nullptr, SumOf(cpus_), start_ns());
    }
  }

  uint64_t Count(uint32_t index) const {
    std::vector<uint64_t> cpus(static_cast<size_t>(PossibleCpus()));
    if (bpf_map_lookup_elem(object().MapFd("net_tx_counts"), &index, cpus.data()) != 0) return 0;
    return std::accumulate(cpus.begin(), cpus.end(), uint64_t{0});
  }

  std::vector<latency> cpus_;
  std::string name_;
};

// Hooks sch_direct_xmit() for what leaves a queue, and net_dev_start_xmit, which every packet to
// every device passes, only while something without a queue counts: virtual devices, or one that
// has hardware behind it (some of wireless and of switches). Such a device is found in the round
// after it came; what it sent before is not counted.
class NetTxDirect : public NetTx {
 public:
  NetTxDirect(std::unique_ptr<BpfObject> object, const Resources& resources)
      : NetTx(std::move(object), resources), root_(resources.root), netlink_(Netlink::Open()) {}

  absl::Status SetParameter(size_t index, uint64_t value) override {
    RETURN_IF_ERROR(NetTx::SetParameter(index, value));
    virtual_devices_ = value != 0;
    return Choose();
  }

  void Collect(MetricWriter& writer) override {
    // It was attached once, so that this is memory or descriptors; the next round tries again.
    const absl::Status chosen = Choose();
    if (!chosen.ok()) LogError("unit net_tx: " + Message(chosen));
    NetTx::Collect(writer);
  }

 private:
  absl::Status Choose() {
    const bool at_start = virtual_devices_ || HasDeviceWithoutQueue();
    if (at_start) RETURN_IF_ERROR(object().SetAttached("net_tx_start", true));
    RETURN_IF_ERROR(object().SetTunable("at_start", at_start));
    return at_start ? absl::OkStatus() : object().SetAttached("net_tx_start", false);
  }

  // With hardware behind it. What cannot be known is taken for one.
  bool HasDeviceWithoutQueue() {
    if (!netlink_.ok()) return true;
    std::vector<uint32_t> found;
    const absl::Status dump = netlink_->Dump(RTM_GETQDISC, room_, [&](const nlmsghdr& message) {
      const auto qdisc = ParseQdisc(message);
      if (qdisc && qdisc->kind() == "noqueue") found.push_back(qdisc->link);
    });
    if (!dump.ok()) return true;
    if (without_queue_ == found) return hardware_without_queue_;
    hardware_without_queue_ =
        std::ranges::any_of(found, [this](uint32_t link) { return HasHardware(link); });
    without_queue_ = std::move(found);
    return hardware_without_queue_;
  }

  bool HasHardware(uint32_t link) const {
    char name[IF_NAMESIZE];
    if (if_indextoname(link, name) == nullptr) return false;  // gone
    std::error_code error;
    const std::string folder = root_.Path(std::string("/sys/class/net/") + name);
    // /sys may be of another network.
    return !std::filesystem::exists(folder, error) ||
           std::filesystem::exists(folder + "/device", error);
  }

  const Root& root_;
  absl::StatusOr<Netlink> netlink_;
  std::vector<std::byte> room_;
  bool virtual_devices_ = false;
  std::optional<std::vector<uint32_t>> without_queue_;  // as of the newest look
  bool hardware_without_queue_ = true;                  // one of them has it
};

// Names of devices are those of this process' network.
absl::StatusOr<uint64_t> OwnNetwork() {
  struct stat own {};
  if (stat("/proc/self/ns/net", &own) != 0) return ErrnoStatus(errno, "look at our network");
  return own.st_ino;
}

template <uint64_t sent_is_kept>
absl::Status Prepare(BpfObject& object) {
  ASSIGN_OR_RETURN(const uint64_t network, OwnNetwork());
  RETURN_IF_ERROR(object.SetConstant("sent_is_kept", sent_is_kept));
  return object.SetConstant("netns_inum", network);
}

constexpr auto kOpen = &OpenCounting<net_tx_bpf, NetTxDirect, &Prepare<1>>;
constexpr auto kOpenStamped = &OpenCounting<net_tx_bpf, NetTx, &Prepare<0>>;

constexpr std::string_view kFentry[] = {"ip_send_skb_fentry",   "ip6_send_skb_fentry",
                                        "net_tx_direct_fentry", "net_tx_start",
                                        "net_tx_enqueue",       "net_tx_dequeue"};
constexpr std::string_view kKprobe[] = {"ip_send_skb_kprobe",   "ip6_send_skb_kprobe",
                                        "net_tx_direct_kprobe", "net_tx_start",
                                        "net_tx_enqueue",       "net_tx_dequeue"};
constexpr std::string_view kFentryOld[] = {"ip_send_skb_fentry",   "ip6_send_skb_fentry",
                                           "net_tx_direct_fentry", "net_tx_start",
                                           "net_tx_queue",         "net_tx_dequeue"};
constexpr std::string_view kKprobeOld[] = {"ip_send_skb_kprobe",   "ip6_send_skb_kprobe",
                                           "net_tx_direct_kprobe", "net_tx_start",
                                           "net_tx_queue",         "net_tx_dequeue"};
constexpr std::string_view kNoDatagrams = "datagrams in huatuo_node_skb_send_latency_seconds";
constexpr Mechanism kMechanisms[] = {
    {"qdisc_enqueue+fentry", "", kOpen, kFentry},
    {"qdisc_enqueue+kprobe", "", kOpen, kKprobe},
    {"net_dev_queue+fentry", "", kOpen, kFentryOld},
    {"net_dev_queue+kprobe", "", kOpen, kKprobeOld},
    {"qdisc_enqueue", kNoDatagrams, kOpenStamped, std::span(kFentry).subspan(3)},
    {"net_dev_queue", kNoDatagrams, kOpenStamped, std::span(kFentryOld).subspan(3)},
};

constexpr MetricSource kSources[] = {
    {"huatuo_node_skb_send_",
     "ip_send_skb, ip6_send_skb, sch_direct_xmit; where that is not enough, net_dev_start_xmit"},
    {"", "qdisc_enqueue, qdisc_dequeue; before 5.14 net_dev_queue, qdisc_dequeue"},
};

}  // namespace

extern constexpr Unit kNetTx = {
    .name = "net_tx",
    .help = "How long packets take on their way out of the node.",
    .metrics = kMetrics,
    .sources = kSources,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 2,
};

}  // namespace huatuo
