#include "collector/kernel/drop_reasons.h"

#include <bpf/btf.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "bpf/dropwatch.h"

namespace huatuo {
namespace {

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};
using Btf = std::unique_ptr<btf, FreeBtf>;

// Where sub-systems that can be modules define theirs; the values carry the sub-system.
struct Subsystem {
  const char* module;
  const char* enumeration;
};
constexpr Subsystem kSubsystems[] = {{"openvswitch", "ovs_drop_reason"},
                                     {"mac80211", "mac80211_drop_reason"}};
constexpr uint32_t kFirstOfSubsystems = 1 << 16;

constexpr std::string_view kPrefixes[] = {"SKB_DROP_REASON_", "SKB_"};

constexpr std::string_view kNormal[] = {
    "NOT_DROPPED_YET",  "CONSUMED",
    "QUEUE_PURGE",      // what was queued when a socket or a device closed
    "SOCKET_CLOSE",     // the same of local sockets
    "SOCKET_FILTER",    // the socket's owner attached the filter
    "OTHERHOST",        // seen in promiscuous mode only
    "UNHANDLED_PROTO",  // LLDP, STP and the like that nobody here speaks
    "IPV6DISABLED",     // likewise
    "UNIX_DISCONNECT",  "UNIX_SKIP_OOB", "TAP_FILTER", "TAP_TXFILTER",
    "TCP_RESET",    // the RST has done its work
    "TCP_OLD_ACK",  // so have these, and duplicates bring nothing new
    "TCP_OLD_DATA",
    "TCP_OLD_SEQUENCE",  // keep-alive probes among them
    "TCP_OFOMERGE",      // the bytes live on in another buffer
};

// What has no reason before it became QUEUE_PURGE in 6.3, and here and there later.
constexpr NormalPlace kPlaces[] = {
    {"skb_queue_purge"},        // a queue of any socket or device
    {"skb_rbtree_purge"},       // TCP's out of order queue
    {"sk_stream_kill_queues"},  // TCP's others, its FIN among them
    {"inet_sock_destruct"},     // any internet socket's
    {"udp_destruct_common"},    // since 6.0; before:
    {"udp_destruct_sock"},
    // The last packet of a connection that was closed here first: taken, and dropped like others.
    {"tcp_v4_rcv", true},
    {"tcp_v6_rcv", true},
};
static_assert(std::size(kPlaces) <= DROP_CODES);

std::string Short(std::string_view name) {
  for (const std::string_view prefix : kPrefixes) {
    if (!name.starts_with(prefix)) continue;
    name.remove_prefix(prefix.size());
    break;
  }
  return std::string(name);
}

void AddEnum(const btf* types, const char* name, uint32_t first,
             std::map<uint32_t, std::string>& names) {
  const int id = types == nullptr ? -1 : btf__find_by_name_kind(types, name, BTF_KIND_ENUM);
  if (id < 0) return;
  const btf_type* type = btf__type_by_id(types, id);
  const struct btf_enum* values = btf_enum(type);
  for (int i = 0; i < btf_vlen(type); ++i) {
    const std::string text = Short(btf__name_by_offset(types, values[i].name_off));
    const auto number = static_cast<uint32_t>(values[i].val);
    // Marks of the enum itself, not reasons.
    if (number < first || text == "MAX" || text == "SUBSYS_MASK") continue;
    names.try_emplace(number, text);
  }
}

}  // namespace

DropReasons DropReasons::OfThisKernel() {
  std::map<uint32_t, std::string> names;
  const Btf kernel(btf__load_vmlinux_btf());
  AddEnum(kernel.get(), "skb_drop_reason", 0, names);
  for (const Subsystem& subsystem : kSubsystems) {
    if (names.empty()) break;
    AddEnum(kernel.get(), subsystem.enumeration, kFirstOfSubsystems, names);
    if (!std::filesystem::exists(std::string("/sys/kernel/btf/") + subsystem.module)) continue;
    const Btf module(btf__load_module_btf(subsystem.module, kernel.get()));
    AddEnum(module.get(), subsystem.enumeration, kFirstOfSubsystems, names);
  }
  return DropReasons(std::move(names));
}

std::optional<uint32_t> DropReasons::Number(std::string_view name) const {
  const auto found = std::find_if(names_.begin(), names_.end(),
                                  [&](const auto& entry) { return entry.second == name; });
  if (found == names_.end()) return std::nullopt;
  return found->first;
}

std::string DropReasons::List() const {
  std::string list;
  for (const auto& [number, name] : names_) list += (list.empty() ? "" : ", ") + name;
  return list;
}

std::span<const NormalPlace> NormalPlaces() { return kPlaces; }

bool IsNormalDrop(std::string_view reason) {
  return std::find(std::begin(kNormal), std::end(kNormal), reason) != std::end(kNormal);
}

}  // namespace huatuo
