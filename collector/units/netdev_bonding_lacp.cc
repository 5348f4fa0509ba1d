// Changes of LACP in 802.3ad bonds. The driver tells by rtnetlink that something changed and in
// /proc/net/bonding what; what a partner sends in its PDUs is told by nobody, so that bonds are
// also looked at once a second.
#include <linux/rtnetlink.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "collector/instance.h"
#include "collector/unit.h"
#include "collector/units/netdev_bonding_lacp_watch.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
// Between two looks: a storm of link changes becomes ten looks a second, each with all that has
// changed since the one before.
constexpr int64_t kShortestInterval = 100 * kMillisecond;
constexpr int64_t kLongestInterval = 1000 * kMillisecond;

// ---- the event

v1::Value OrUnknown(const std::string& text) { return text.empty() ? Unknown() : TextValue(text); }

v1::Value PartnerMac(const LacpSlave& slave, Context&) { return OrUnknown(slave.partner_mac); }
template <auto M>
v1::Value PortState(const LacpSlave& slave, Context&) {
  return (slave.*M).has_value() ? TextValue(LacpPortState(*(slave.*M))) : Unknown();
}

constexpr auto kSlaveFields =
    TableOf(F<&LacpSlave::name>("name", "The slave's device."),
            F<&LacpSlave::mii_status>("mii_status", "Its link: up, down or going there."),
            F<&LacpSlave::aggregator_id>("aggregator_id", "Aggregator that it belongs to."),
            Derived<&PortState<&LacpSlave::actor_state>>(
                "actor_state", "Our port: activity, timeout, aggregation, sync, collecting, …",
                v1::Field::TEXT),
            Derived<&PortState<&LacpSlave::partner_state>>("partner_state", "The partner's port.",
                                                           v1::Field::TEXT),
            Derived<&PartnerMac>("partner_mac", "The partner's system.", v1::Field::TEXT),
            F<&LacpSlave::link_failures>("link_failures", "How often its link failed so far."));

v1::Value BondPartnerMac(const LacpBond& bond, Context&) { return OrUnknown(bond.partner_mac); }
v1::Value Slaves(const LacpBond& bond, Context& context) {
  return ListValue(bond.slaves, kSlaveFields, context);
}

constexpr auto kBondFields =
    TableOf(F<&LacpBond::mii_status>("mii_status", "Link of the bond."),
            F<&LacpBond::aggregator_id>("aggregator_id", "The active aggregator; null: none."),
            F<&LacpBond::ports>("ports", "Its ports."),
            F<&LacpBond::partner_key>("partner_key", "The partner's key."),
            Derived<&BondPartnerMac>("partner_mac", "The partner's system.", v1::Field::TEXT),
            Derived<&Slaves>("slaves", "Each slave.", v1::Field::LIST, kSlaveFields));

template <auto M>
v1::Value Bond(const LacpChange& change, Context& context) {
  v1::Value value;
  *value.mutable_record() = ReadRecord(kBondFields, &(change.*M), context);
  return value;
}

constexpr auto kFields = TableOf(
    F<&LacpChange::bond>("bond", "Name of the bond."),
    F<&LacpChange::changes>("changes", "What changed: eth0 mii_status up -> down; …"),
    F<&LacpChange::content>("content", "/proc/net/bonding of the bond after the change."),
    Derived<&Bond<&LacpChange::before>>("before", "The bond before.", v1::Field::RECORD,
                                        kBondFields),
    Derived<&Bond<&LacpChange::after>>("after", "The bond after.", v1::Field::RECORD, kBondFields));

// ---- the instance

class BondingInstance : public Instance {
 public:
  BondingInstance(const OpenRequest& request, const Resources& resources)
      : request_(request),
        sink_(resources.sink),
        clock_(resources.clock),
        watch_(resources.root),
        links_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)),
        timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
        both_(epoll_create1(EPOLL_CLOEXEC)) {}
  ~BondingInstance() override {
    for (const int fd : {links_, timer_, both_}) {
      if (fd >= 0) close(fd);
    }
  }

  absl::Status Start() {
    if (links_ < 0 || timer_ < 0 || both_ < 0) return ErrnoStatus(errno, "open netlink and timer");
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    if (bind(links_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      return ErrnoStatus(errno, "listen to link changes on netlink");
    }
    for (const int fd : {links_, timer_}) {
      epoll_event event{};
      event.events = EPOLLIN;
      if (epoll_ctl(both_, EPOLL_CTL_ADD, fd, &event) != 0) return ErrnoStatus(errno, "epoll");
    }
    return Look();
  }

  absl::Status SetParameter(size_t, uint64_t) override { return absl::OkStatus(); }
  EmitCounts counts() const override { return {.emitted = emitted_}; }
  int fd() const override { return both_; }

  void Ready() override {
    uint64_t expirations = 0;
    const bool expired = read(timer_, &expirations, sizeof(expirations)) > 0;
    const bool changed = DrainLinks();
    if (!expired && !changed) return;
    const int64_t since = clock_.BootNs() - looked_ns_;
    const absl::Status done =
        since < kShortestInterval ? SetTimer(kShortestInterval - since) : Look();
    if (!done.ok()) sink_.Lost(request_, "timer_failed", 1);
  }

 private:
  // Whether there was any message. An overflow is one too: the state is read afterwards anyway.
  bool DrainLinks() const {
    char buffer[8192];
    bool any = false;
    while (true) {
      const ssize_t size = recv(links_, buffer, sizeof(buffer), MSG_DONTWAIT);
      if (size < 0 && errno != ENOBUFS) return any;
      any = true;
    }
  }

  absl::Status Look() {
    looked_ns_ = clock_.BootNs();
    for (LacpChange& change : watch_.Look()) {
      ++emitted_;
      sink_.Emit(request_, 0, std::make_shared<const LacpChange>(std::move(change)));
    }
    return SetTimer(watch_.empty() ? 0 : kLongestInterval);
  }

  absl::Status SetTimer(int64_t ns) const {  // 0: off
    itimerspec spec{};
    spec.it_value.tv_sec = ns / (1000 * kMillisecond);
    spec.it_value.tv_nsec = ns % (1000 * kMillisecond);
    if (timerfd_settime(timer_, 0, &spec, nullptr) != 0) return ErrnoStatus(errno, "set a timer");
    return absl::OkStatus();
  }

  const OpenRequest request_;
  EventSink& sink_;
  const Clock& clock_;
  LacpWatch watch_;
  const int links_;
  const int timer_;
  const int both_;
  int64_t looked_ns_ = 0;
  std::atomic<uint64_t> emitted_ = 0;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  auto instance = std::make_unique<BondingInstance>(request, resources);
  RETURN_IF_ERROR(instance->Start());
  return instance;
}

constexpr EventType kEvents[] = {{
    .name = "netdev_bonding_lacp",
    .help = "LACP of an 802.3ad bond changed: a link, an aggregator, a port's state or a partner.",
    .fields = kFields,
}};

constexpr Mechanism kMechanisms[] = {
    {"rtnetlink", "changes that were undone within 100 ms", &Open},
};

}  // namespace

extern constexpr Unit kNetdevBondingLacp = {
    .name = "netdev_bonding_lacp",
    .help = "LACP of the host's 802.3ad bonds.",
    .events = kEvents,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
