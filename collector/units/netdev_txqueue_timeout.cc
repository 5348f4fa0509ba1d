#include "bpf/netdev_txqueue_timeout.h"

#include <ctime>

#include "bpf/netdev_txqueue_timeout.skel.h"
#include "collector/kernel/skeleton_instance.h"
#include "collector/unit.h"

namespace huatuo {
namespace {

// The coarse clock moves once in each tick of the kernel, so its resolution is a jiffy.
uint64_t JiffyNs() {
  timespec resolution{};
  clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
  return static_cast<uint64_t>(resolution.tv_nsec);
}

v1::Value TimeoutMs(const netdev_txqueue_timeout_event& event, Context&) {
  static const uint64_t jiffy_ns = JiffyNs();
  return UintValue(event.stalled_jiffies * jiffy_ns / 1'000'000);
}

v1::Value DriverText(const netdev_txqueue_timeout_event& event, Context&) {
  return event.driver_name[0] == '\0' ? Unknown() : ValueOf(event.driver_name);
}

v1::Value NetnsInum(const netdev_txqueue_timeout_event& event, Context&) {
  return UintValue(event.header.cgroup.id);
}

constexpr auto kFields = FieldsOf<netdev_txqueue_timeout_event>(
    F<&netdev_txqueue_timeout_event::queue_index>("queue_index", "Queue that is stuck."),
    F<&netdev_txqueue_timeout_event::device_name>("device_name", "Its device."),
    Derived<&DriverText>("driver_name", "Driver of the device; null when it has none.",
                         v1::Field::TEXT),
    Derived<&TimeoutMs>("timeout_ms", "How long ago it was given its last packet.",
                        v1::Field::UINT),
    F<&netdev_txqueue_timeout_event::ifindex>("ifindex", "Index of the device."),
    Derived<&NetnsInum>("netns_inum", "Inode of the device's network namespace.", v1::Field::UINT),
    Hidden<&netdev_txqueue_timeout_event::stalled_jiffies>(),
    Hidden<&netdev_txqueue_timeout_event::driver_name>());

constexpr EventType kEvents[] = {{
    .name = "netdev_txqueue_timeout",
    .help = "A transmit queue of a network device did not move for longer than its driver allows. "
            "The task is the one that the timer interrupted.",
    .fields = kFields,
    .record_bytes = sizeof(netdev_txqueue_timeout_event),
}};

constexpr Parameter kParameters[] = {{
    .name = "limit_per_second",
    .help = "Events a second of one network namespace and CPU; more are counted as refused.",
    .unit = "events/s",
    .default_value = 10,
    .minimum = 0,
    .maximum = 1'000'000,
}};

constexpr std::string_view kPrograms[] = {"txqueue_timeout"};
constexpr Mechanism kMechanisms[] = {
    {"tp_btf", "", &OpenSkeleton<netdev_txqueue_timeout_bpf>, kPrograms},
};

}  // namespace

extern constexpr Unit kNetdevTxqueueTimeout = {
    .name = "netdev_txqueue_timeout",
    .help = "Transmit queues of network devices that are stuck.",
    .events = kEvents,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
