#include "collector/units/netdev_links.h"

#include <linux/gen_stats.h>
#include <linux/if.h>

#include <cstring>

#include "collector/procfs/netlink.h"

namespace huatuo {
namespace {

using Payload = std::span<const std::byte>;

// What the kernel wrote of it; the rest is as it was.
template <typename T>
void Copy(Payload payload, T& to) {
  std::memcpy(&to, payload.data(), std::min(payload.size(), sizeof(to)));
}

std::string_view Text(const std::array<char, 16>& bytes) {
  return {bytes.data(), strnlen(bytes.data(), bytes.size())};
}

void ReadQdiscStats(uint16_t type, Payload payload, Qdisc& qdisc) {
  if (type == TCA_STATS_BASIC) {
    gnet_stats_basic basic{};
    Copy(payload, basic);
    qdisc.bytes = basic.bytes;
    if (qdisc.packets == 0) qdisc.packets = basic.packets;
  } else if (type == TCA_STATS_PKT64) {
    // Only there when 32 bits were not enough.
    Copy(payload, qdisc.packets);
  } else if (type == TCA_STATS_QUEUE) {
    gnet_stats_queue queue{};
    Copy(payload, queue);
    qdisc.drops = queue.drops;
    qdisc.requeues = queue.requeues;
    qdisc.overlimits = queue.overlimits;
    qdisc.backlog_bytes = queue.backlog;
    qdisc.queue_length = queue.qlen;
  }
}

}  // namespace

std::string_view Link::name() const { return Text(name_bytes); }
std::string_view Qdisc::kind() const { return Text(kind_bytes); }

std::optional<Link> ParseLink(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_NEWLINK) return std::nullopt;
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) return std::nullopt;
  const auto* head = static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
  Link link;
  link.index = static_cast<uint32_t>(head->ifi_index);
  link.up = (head->ifi_flags & IFF_UP) != 0 && (head->ifi_flags & IFF_RUNNING) != 0;
  EachAttribute(message, sizeof(ifinfomsg), [&](uint16_t type, Payload payload) {
    if (type == IFLA_IFNAME) Copy(payload, link.name_bytes);
    if (type == IFLA_CARRIER_CHANGES) Copy(payload, link.carrier_changes.emplace(0));
    if (type != IFLA_STATS64) return;
    Copy(payload, link.counts);
    link.count = std::min(payload.size() / sizeof(uint64_t), link.counts.size());
  });
  if (link.name().empty()) return std::nullopt;
  return link;
}

std::optional<Qdisc> ParseQdisc(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_NEWQDISC) return std::nullopt;
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(tcmsg))) return std::nullopt;
  const auto* head = static_cast<const tcmsg*>(NLMSG_DATA(&message));
  Qdisc qdisc;
  qdisc.link = static_cast<uint32_t>(head->tcm_ifindex);
  qdisc.handle = head->tcm_handle;
  bool counted = false;
  EachAttribute(message, sizeof(tcmsg), [&](uint16_t type, Payload payload) {
    if (type == TCA_KIND) Copy(payload, qdisc.kind_bytes);
    if (type != TCA_STATS2) return;
    counted = true;
    EachAttribute(payload,
                  [&](uint16_t inner, Payload stats) { ReadQdiscStats(inner, stats, qdisc); });
  });
  if (!counted || qdisc.kind().empty()) return std::nullopt;
  return qdisc;
}

}  // namespace huatuo
