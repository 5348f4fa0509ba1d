#include "collector/units/dropwatch_filter.h"

#include <fmt/format.h>

#include <cstring>
#include <optional>

#include "common/packet_filter.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

void SetNet(const std::optional<PacketNet>& net, uint32_t term, drop_net& into,
            drop_filter& filter) {
  if (!net.has_value()) return;
  filter.terms |= term;
  std::memcpy(into.address, net->address.data(), sizeof(into.address));
  auto* mask = reinterpret_cast<uint8_t*>(into.mask);
  for (int bit = 0; bit < net->prefix_bits; ++bit) {
    mask[bit / 8] = static_cast<uint8_t>(mask[bit / 8] | 0x80 >> bit % 8);
  }
}

template <typename T, typename V>
void Set(const std::optional<T>& value, uint32_t term, V& into, drop_filter& filter) {
  if (!value.has_value()) return;
  filter.terms |= term;
  into = static_cast<V>(*value);
}

absl::Status SetReason(const std::optional<std::string>& name, const DropReasons& reasons,
                       drop_filter& filter) {
  if (!name.has_value()) return absl::OkStatus();
  if (reasons.names().empty()) {
    return InvalidArgument("reason: this kernel does not tell why it drops (5.17 and later do)");
  }
  const std::optional<uint32_t> number = reasons.Number(*name);
  if (!number.has_value()) {
    return InvalidArgument(fmt::format("reason \"{}\": this kernel does not have it; it has {}",
                                       *name, reasons.List()));
  }
  Set(number, DROP_FILTER_REASON, filter.reason, filter);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<drop_filter> MakeDropFilter(std::string_view text, const DropReasons& reasons) {
  ASSIGN_OR_RETURN(const PacketFilter from, ParsePacketFilter(text));
  drop_filter filter{};
  SetNet(from.src, DROP_FILTER_SRC, filter.src, filter);
  SetNet(from.dst, DROP_FILTER_DST, filter.dst, filter);
  SetNet(from.net, DROP_FILTER_NET, filter.net, filter);
  Set(from.netns, DROP_FILTER_NETNS, filter.netns, filter);
  Set(from.src_port, DROP_FILTER_SPORT, filter.sport, filter);
  Set(from.dst_port, DROP_FILTER_DPORT, filter.dport, filter);
  Set(from.port, DROP_FILTER_PORT, filter.port, filter);
  Set(from.version, DROP_FILTER_VERSION, filter.version, filter);
  Set(from.protocol, DROP_FILTER_PROTOCOL, filter.protocol, filter);
  if (from.device.has_value()) {
    filter.terms |= DROP_FILTER_DEVICE;
    std::memcpy(filter.device, from.device->data(), from.device->size());
  }
  RETURN_IF_ERROR(SetReason(from.reason, reasons, filter));
  return filter;
}

}  // namespace huatuo
