// What runs while the unit `net_rx_latency` is open.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "bpf/net_rx_latency.h"
#include "collector/instance.h"

namespace huatuo {

enum RxMetric : size_t { kLatePackets, kLateUnreported };

// By enum rx_stage.
inline constexpr std::string_view kRxStages[] = {"TO_NETIF_RCV", "TO_TCPV4_RCV", "TO_TCPV6_RCV",
                                                 "TO_UDPV4_RCV", "TO_UDPV6_RCV", "TO_USER_COPY"};
static_assert(std::size(kRxStages) == RX_STAGES);

// The parameter that is no variable of the program: whether we ask the kernel to stamp packets.
inline constexpr std::string_view kTimestamping = "timestamping";

absl::StatusOr<std::unique_ptr<Instance>> OpenRxProbe(const OpenRequest& request,
                                                      const Resources& resources);

// Wall time - boot time. The three readings that it takes are of the same moment, within 100 us
// where the machine lets it.
int64_t WallOffsetNs(const Clock& clock);

}  // namespace huatuo
