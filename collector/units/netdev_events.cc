// Changes of network devices, as rtnetlink tells them: no BPF, no C struct.
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <set>

#include "collector/enrich/driver_name.h"
#include "collector/instance.h"
#include "collector/unit.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

struct Device {
  uint32_t index = 0;
  std::string ifname;
  std::string mac;
  uint32_t mtu = 0;
  uint32_t master = 0;
  uint32_t flags = 0;
};

struct NetdevChange {
  Device device;
  std::string linkstatus;
  bool start = false;
  DriverName driver;
  std::string previous;
};

v1::Value Ifname(const NetdevChange& c, Context&) { return TextValue(c.device.ifname); }
v1::Value Index(const NetdevChange& c, Context&) { return UintValue(c.device.index); }
v1::Value Mac(const NetdevChange& c, Context&) { return TextValue(c.device.mac); }
v1::Value Mtu(const NetdevChange& c, Context&) { return UintValue(c.device.mtu); }
v1::Value OrUnknown(const std::string& text) { return text.empty() ? Unknown() : TextValue(text); }
v1::Value Driver(const NetdevChange& c, Context&) { return OrUnknown(c.driver.driver); }
v1::Value Version(const NetdevChange& c, Context&) { return OrUnknown(c.driver.version); }
v1::Value Firmware(const NetdevChange& c, Context&) { return OrUnknown(c.driver.firmware); }
v1::Value Previous(const NetdevChange& c, Context&) { return OrUnknown(c.previous); }

constexpr auto kFields = TableOf(
    Derived<&Ifname>("ifname", "Name of the device.", v1::Field::TEXT),
    F<&NetdevChange::linkstatus>(
        "linkstatus",
        "linkstatus_adminup, _admindown, _carrierup, _carrierdown, _mtu, _name, _master, _added or "
        "_removed."),
    Derived<&Mac>("mac", "Hardware address.", v1::Field::TEXT),
    Derived<&Index>("index", "Interface index.", v1::Field::UINT),
    F<&NetdevChange::start>("start", "True for what was found when the collector started."),
    Derived<&Driver>("driver", "Driver of the device.", v1::Field::TEXT),
    Derived<&Version>("driver_version", "Version of the driver.", v1::Field::TEXT),
    Derived<&Firmware>("firmware_version", "Version of the device's firmware.", v1::Field::TEXT),
    Derived<&Mtu>("mtu", "Largest packet, in bytes.", v1::Field::UINT),
    Derived<&Previous>("previous", "What it was before: the old name, MTU or master.",
                       v1::Field::TEXT));

std::string MacText(const uint8_t* bytes, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) text += fmt::format("{}{:02x}", i == 0 ? "" : ":", bytes[i]);
  return text;
}

void ReadAttribute(const rtattr* attribute, Device& device) {
  const void* payload = RTA_DATA(attribute);
  const size_t size = RTA_PAYLOAD(attribute);
  uint32_t number = 0;
  if (size >= sizeof(number)) std::memcpy(&number, payload, sizeof(number));
  switch (attribute->rta_type) {
    case IFLA_IFNAME:
      device.ifname.assign(static_cast<const char*>(payload),
                           strnlen(static_cast<const char*>(payload), size));
      break;
    case IFLA_ADDRESS:
      device.mac = MacText(static_cast<const uint8_t*>(payload), std::min<size_t>(size, 32));
      break;
    case IFLA_MTU:
      device.mtu = number;
      break;
    case IFLA_MASTER:
      device.master = number;
      break;
    default:
      break;
  }
}

// Null when the message is too short to be of a link.
std::optional<Device> ParseLink(const nlmsghdr* message) {
  if (message->nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) return std::nullopt;
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
  if (info->ifi_family != AF_UNSPEC) return std::nullopt;  // a bridge port speaks as AF_BRIDGE too
  Device device;
  device.index = static_cast<uint32_t>(info->ifi_index);
  device.flags = info->ifi_flags;
  int left = static_cast<int>(IFLA_PAYLOAD(message));
  for (const rtattr* a = IFLA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    ReadAttribute(a, device);
  }
  return device;
}

enum ParameterIndex : size_t { kReportPresent };

constexpr Parameter kParameters[] = {
    {.name = "report_present",
     .help = "1: an event for each device that is there when the unit opens.",
     .unit = "",
     .default_value = 0,
     .minimum = 0,
     .maximum = 1},
};

class NetdevEvents : public Instance {
 public:
  NetdevEvents(const OpenRequest& request, EventSink& sink)
      : request_(request), sink_(sink), socket_(-1) {}
  ~NetdevEvents() override {
    if (socket_ >= 0) close(socket_);
  }

  absl::Status Start() {
    report_present_ = request_.parameters[kReportPresent] != 0;
    socket_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (socket_ < 0) return ErrnoStatus(errno, "open a route netlink socket");
    WidenQueue();
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    if (bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      return ErrnoStatus(errno, "listen to link changes on netlink");
    }
    return Dump();
  }

  absl::Status SetParameter(size_t, uint64_t value) override {
    report_present_ = value != 0;
    return absl::OkStatus();
  }

  EmitCounts counts() const override { return {.emitted = emitted_}; }
  int fd() const override { return socket_; }

  void Ready() override {
    alignas(nlmsghdr) char buffer[32768];
    while (true) {
      const ssize_t size = recv(socket_, buffer, sizeof(buffer), MSG_DONTWAIT);
      if (size < 0 && errno == ENOBUFS) {
        Resync();
        continue;
      }
      if (size <= 0) return;
      auto left = static_cast<uint32_t>(size);
      for (auto* m = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(m, left);
           m = NLMSG_NEXT(m, left)) {
        OnMessage(m);
      }
    }
  }

 private:
  // A storm of changes waits here while the event thread is elsewhere; the default holds about a
  // hundred. Without CAP_NET_ADMIN the kernel caps it, and an overflow is counted all the same.
  void WidenQueue() {
    constexpr int kBytes = 2 << 20;
    if (setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &kBytes, sizeof(kBytes)) == 0) return;
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &kBytes, sizeof(kBytes));
  }

  // Asks for all devices; the answers arrive like changes.
  absl::Status Dump() {
    struct {
      nlmsghdr header;
      ifinfomsg body;
    } request{};
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = RTM_GETLINK;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    if (send(socket_, &request, sizeof(request), 0) < 0) {
      return ErrnoStatus(errno, "ask netlink for all links");
    }
    dumping_ = true;
    dumped_.clear();
    return absl::OkStatus();
  }

  // The socket's queue ran over: some changes are lost, the state is not.
  void Resync() {
    sink_.Lost(request_, "netlink_overflow", 1);
    Dump().IgnoreError();
  }

  void OnMessage(const nlmsghdr* message) {
    if (message->nlmsg_type == NLMSG_DONE && dumping_) return EndDump();
    if (message->nlmsg_type == RTM_NEWLINK) {
      const std::optional<Device> device = ParseLink(message);
      if (device.has_value()) OnDevice(*device, (message->nlmsg_flags & NLM_F_MULTI) != 0);
    } else if (message->nlmsg_type == RTM_DELLINK) {
      const std::optional<Device> device = ParseLink(message);
      if (device.has_value()) Remove(device->index);
    }
  }

  void EndDump() {
    dumping_ = false;
    first_dump_ = false;
    std::vector<uint32_t> gone;
    for (const auto& [index, device] : devices_) {
      if (!dumped_.contains(index)) gone.push_back(index);
    }
    for (const uint32_t index : gone) Remove(index);
  }

  void OnDevice(const Device& device, bool from_dump) {
    if (dumping_) dumped_.insert(device.index);
    const auto it = devices_.find(device.index);
    if (it == devices_.end()) {
      devices_[device.index] = device;
      const bool present = from_dump && first_dump_;
      if (!present) Report(device, "added", "", false);
      if (present && report_present_) {
        Report(device, (device.flags & IFF_UP) != 0 ? "adminup" : "admindown", "", true);
      }
      return;
    }
    const Device before = std::exchange(it->second, device);
    Compare(before, device);
  }

  void Compare(const Device& before, const Device& now) {
    if (before.ifname != now.ifname) Report(now, "name", before.ifname, false);
    if (before.mtu != now.mtu) Report(now, "mtu", std::to_string(before.mtu), false);
    if (before.master != now.master) Report(now, "master", NameOf(before.master), false);
    const uint32_t changed = before.flags ^ now.flags;
    if ((changed & IFF_UP) != 0) {
      Report(now, (now.flags & IFF_UP) != 0 ? "adminup" : "admindown", "", false);
    }
    if ((changed & IFF_LOWER_UP) != 0) {
      Report(now, (now.flags & IFF_LOWER_UP) != 0 ? "carrierup" : "carrierdown", "", false);
    }
  }

  void Remove(uint32_t index) {
    const auto it = devices_.find(index);
    if (it == devices_.end()) return;
    const Device device = std::move(it->second);
    devices_.erase(it);
    Report(device, "removed", "", false);
  }

  std::string NameOf(uint32_t index) const {
    const auto it = devices_.find(index);
    return it == devices_.end() ? std::string() : it->second.ifname;
  }

  void Report(const Device& device, std::string_view what, std::string previous, bool start) {
    NetdevChange change{device, fmt::format("linkstatus_{}", what), start,
                        ReadDriverName(device.ifname), std::move(previous)};
    ++emitted_;
    sink_.Emit(request_, 0, std::make_shared<const NetdevChange>(std::move(change)));
  }

  const OpenRequest request_;
  EventSink& sink_;
  int socket_;
  bool report_present_ = false;
  bool dumping_ = false;
  bool first_dump_ = true;
  std::set<uint32_t> dumped_;
  std::map<uint32_t, Device> devices_;
  std::atomic<uint64_t> emitted_ = 0;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  auto instance = std::make_unique<NetdevEvents>(request, resources.sink);
  RETURN_IF_ERROR(instance->Start());
  return instance;
}

constexpr EventType kEvents[] = {{
    .name = "netdev_events",
    .help = "A network device went up or down, came, went, or changed its name, MTU or master.",
    .fields = kFields,
}};

constexpr Mechanism kMechanisms[] = {{"rtnetlink", "", &Open}};

}  // namespace

extern constexpr Unit kNetdevEvents = {
    .name = "netdev_events",
    .help = "Changes of the network devices of the host.",
    .events = kEvents,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
