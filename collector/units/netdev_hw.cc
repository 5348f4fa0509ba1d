// What network hardware counts by itself: packets that it dropped, pause frames, RDMA ports.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collector/instance.h"
#include "collector/procfs/ethtool.h"
#include "collector/procfs/label.h"
#include "collector/procfs/netlink.h"
#include "collector/procfs/scan.h"
#include "collector/units/netdev_hw_drops.h"
#include "collector/units/netdev_hw_pfc.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

enum Metric : size_t { kDrops, kPfcSent, kPfcReceived, kRdma };

constexpr auto kCounter = v1::MetricType::COUNTER;
constexpr std::string_view kDropLabels[] = {"device", "driver", "counter"};
constexpr std::string_view kPfcLabels[] = {"device", "priority"};
constexpr std::string_view kRdmaLabels[] = {"device", "port", "counter"};

constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_netdev_hw_drops_total",
     .help = "Packets that the device dropped, by its driver's own name of the counter without the "
             "numbers of queues. Two of them may count the same packet.",
     .type = kCounter,
     .labels = kDropLabels},
    {.name = "huatuo_node_netdev_pfc_sent_total",
     .help = "Frames of priority flow control that the device sent: it asked its peer to pause.",
     .type = kCounter,
     .labels = kPfcLabels},
    {.name = "huatuo_node_netdev_pfc_received_total",
     .help = "Frames of priority flow control that the device received: it had to pause.",
     .type = kCounter,
     .labels = kPfcLabels},
    {.name = "huatuo_node_rdma_port_counter_total",
     .help = "The counters of a port of an RDMA device, by the kernel's names and in its units: "
             "port_xmit_data and port_rcv_data are words of 4 bytes.",
     .type = kCounter,
     .labels = kRdmaLabels},
};

constexpr Parameter kParameters[] = {
    {.name = "interval_seconds",
     .help = "How often the hardware is asked; between, the last values are told again. Some cards "
             "take milliseconds for an answer, and hold up changes of the network for so long.",
     .unit = "s",
     .default_value = 60,
     .minimum = 1,
     .maximum = 3600},
};

// A port has some 40; more are not told.
constexpr size_t kMaxPortCounters = 96;
// Of those files, the ones that count nothing.
constexpr std::string_view kNoCounters[] = {"lifespan"};

struct Device {
  std::string name;
  std::string driver;
  std::map<std::string, uint64_t> drops;
  std::optional<PauseFrames> pause;
};

struct PortCounter {
  std::string device, port, name;
  uint64_t value = 0;
};

std::vector<std::string> Names(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

class NetdevHw : public Instance {
 public:
  NetdevHw(const OpenRequest& request, const Resources& resources, Ethtool ethtool, Netlink netlink)
      : request_(request),
        root_(resources.root),
        clock_(resources.clock),
        sink_(resources.sink),
        ethtool_(std::move(ethtool)),
        netlink_(std::move(netlink)),
        interval_seconds_(request.parameters[0]) {}

  absl::Status SetParameter(size_t, uint64_t value) override {
    interval_seconds_ = value;
    return absl::OkStatus();
  }

  void Collect(MetricWriter& writer) override {
    const int64_t now = clock_.BootNs();
    if (!asked_ns_ || now - *asked_ns_ >= static_cast<int64_t>(interval_seconds_) * 1'000'000'000) {
      asked_ns_ = now;
      AskDevices();
      ReadPorts();
    }
    for (const Device& device : devices_) Write(device, writer);
    for (const PortCounter& counter : ports_) {
      const std::string_view labels[] = {counter.device, counter.port, counter.name};
      writer.Set(kRdma, labels, nullptr, static_cast<double>(counter.value));
    }
  }

 private:
  // Those with hardware behind them.
  void AskDevices() {
    devices_.clear();
    for (const std::string& name : Names(root_.Path("/sys/class/net"))) {
      std::error_code error;
      const std::string path = fmt::format("/sys/class/net/{}/device", name);
      if (!std::filesystem::exists(root_.Path(path), error)) continue;
      if (auto device = AskDevice(name)) devices_.push_back(std::move(*device));
    }
  }

  std::optional<Device> AskDevice(const std::string& name) {
    auto driver = ethtool_.Driver(name);
    // Also of a device in another network than ours, or gone since.
    if (!driver.ok()) return std::nullopt;
    Device device{.name = name, .driver = std::move(*driver), .drops = {}, .pause = {}};
    const auto counts = ethtool_.Counts(name);
    if (counts.ok()) {
      device.drops = HardwareDrops(*counts);
    } else if (!absl::IsUnimplemented(counts.status())) {
      sink_.Lost(request_, "ethtool", 1);
    }
    const auto pause = ReadPauseFrames(netlink_, name, room_);
    if (pause.ok()) {
      device.pause = *pause;
    } else {
      sink_.Lost(request_, "netlink_dcb", 1);
    }
    return device;
  }

  void ReadPorts() {
    constexpr std::string_view kFolder = "/sys/class/infiniband";
    ports_.clear();
    for (const std::string& device : Names(root_.Path(kFolder))) {
      const std::string ports = fmt::format("{}/{}/ports", kFolder, device);
      for (const std::string& port : Names(root_.Path(ports))) {
        const size_t before = ports_.size();
        for (const char* kind : {"counters", "hw_counters"}) {
          ReadPort(device, port, fmt::format("{}/{}/{}", ports, port, kind), before);
        }
      }
    }
  }

  void ReadPort(const std::string& device, const std::string& port, const std::string& folder,
                size_t before) {
    for (const std::string& name : Names(root_.Path(folder))) {
      if (std::ranges::find(kNoCounters, name) != std::end(kNoCounters)) continue;
      if (ports_.size() - before >= kMaxPortCounters)
        return sink_.Lost(request_, "rdma_counters", 1);
      const auto text = root_.Read(fmt::format("{}/{}", folder, name), 64);
      std::string_view rest = text.ok() ? std::string_view(*text) : std::string_view();
      const auto line = Line(rest);
      uint64_t value = 0;
      // What a port does not have is an error to read, or N/A.
      if (line && ParseNumber(*line, value)) ports_.push_back({device, port, name, value});
    }
  }

  void Write(const Device& device, MetricWriter& writer) {
    const std::string_view name = LabelOf(device.name, name_);
    const std::string_view driver = LabelOf(device.driver, driver_);
    for (const auto& [kind, value] : device.drops) {
      const std::string_view labels[] = {name, driver, kind};
      writer.Set(kDrops, labels, nullptr, static_cast<double>(value));
    }
    if (!device.pause) return;
    for (size_t i = 0; i < device.pause->sent.size(); ++i) {
      const uint64_t sent = device.pause->sent[i];
      const uint64_t received = device.pause->received[i];
      if ((device.pause->enabled >> i & 1) == 0 && sent == 0 && received == 0) continue;
      const std::string priority = std::to_string(i);
      const std::string_view labels[] = {name, priority};
      writer.Set(kPfcSent, labels, nullptr, static_cast<double>(sent));
      writer.Set(kPfcReceived, labels, nullptr, static_cast<double>(received));
    }
  }

  const OpenRequest request_;
  const Root& root_;
  const Clock& clock_;
  EventSink& sink_;
  const Ethtool ethtool_;
  Netlink netlink_;
  uint64_t interval_seconds_;
  std::optional<int64_t> asked_ns_;
  std::vector<Device> devices_;
  std::vector<PortCounter> ports_;
  std::vector<std::byte> room_;
  std::string name_;
  std::string driver_;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  ASSIGN_OR_RETURN(Ethtool ethtool, Ethtool::Open());
  ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
  return std::make_unique<NetdevHw>(request, resources, std::move(ethtool), std::move(netlink));
}

constexpr Mechanism kMechanisms[] = {{"ethtool", "", &Open}};

constexpr MetricSource kSources[] = {
    {"huatuo_node_netdev_hw_", "ethtool's statistics of the driver"},
    {"huatuo_node_netdev_pfc_", "DCB netlink: DCB_ATTR_IEEE_PFC"},
    {"huatuo_node_rdma_", "/sys/class/infiniband/*/ports/*/counters, hw_counters"},
};

}  // namespace

extern constexpr Unit kNetdevHw = {
    .name = "netdev_hw",
    .help =
        "What network hardware counts by itself: packets that it dropped, frames of priority "
        "flow control, and the ports of RDMA devices.",
    .metrics = kMetrics,
    .sources = kSources,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
