#include "collector/units/netdev_hw_pfc.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "common/status_macros.h"

namespace huatuo {
namespace {

using Payload = std::span<const std::byte>;

PauseFrames FramesOf(Payload payload) {
  ieee_pfc pfc{};
  std::memcpy(&pfc, payload.data(), std::min(payload.size(), sizeof(pfc)));
  PauseFrames frames{.enabled = pfc.pfc_en};
  std::ranges::copy(pfc.requests, frames.sent.begin());
  std::ranges::copy(pfc.indications, frames.received.begin());
  return frames;
}

}  // namespace

std::optional<PauseFrames> ParsePauseFrames(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_GETDCB) return std::nullopt;
  std::optional<PauseFrames> frames;
  EachAttribute(message, sizeof(dcbmsg), [&](uint16_t type, Payload payload) {
    if (type != DCB_ATTR_IEEE) return;
    EachAttribute(payload, [&](uint16_t inner, Payload pfc) {
      if (inner == DCB_ATTR_IEEE_PFC) frames = FramesOf(pfc);
    });
  });
  return frames;
}

absl::StatusOr<std::optional<PauseFrames>> ReadPauseFrames(Netlink& netlink,
                                                           const std::string& device,
                                                           std::vector<std::byte>& room) {
  struct {
    nlmsghdr header;
    dcbmsg body;
    rtattr attribute;
    std::array<char, 16> name;
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_GETDCB;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.body.cmd = DCB_CMD_IEEE_GET;
  request.attribute = {sizeof(request.attribute) + sizeof(request.name), DCB_ATTR_IFNAME};
  device.copy(request.name.data(), request.name.size() - 1);
  std::optional<PauseFrames> frames;
  const absl::Status status = netlink.Query(
      request.header, room, [&](const nlmsghdr& message) { frames = ParsePauseFrames(message); });
  // A driver or a kernel without it, or a device that went.
  if (absl::IsUnimplemented(status) || absl::IsNotFound(status)) return std::nullopt;
  RETURN_IF_ERROR(status);
  return frames;
}

}  // namespace huatuo
