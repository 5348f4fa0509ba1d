#include "bpf/netdev_txqueue_timeout.h"

#include <fmt/format.h>
#include <time.h>

#include <catch2/catch.hpp>

#include "collector/decode/decoder.h"
#include "common/document.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kNetdevTxqueueTimeout;

namespace {

constexpr const Unit* kUnits[] = {&kNetdevTxqueueTimeout};

netdev_txqueue_timeout_event Stuck() {
  netdev_txqueue_timeout_event event{};
  event.header.cgroup = {4026531840, EVENT_NETNS, 0};
  event.header.cpu = 1;
  event.header.size = sizeof(event);
  std::memcpy(event.header.comm, "swapper/1", 10);
  event.queue_index = 3;
  event.ifindex = 5;
  std::memcpy(event.device_name, "eth0", 5);
  std::memcpy(event.driver_name, "mlx5_core", 10);
  return event;
}

std::string Json(const netdev_txqueue_timeout_event& event) {
  FakeContext context;
  ManualClock clock;
  const Decoder decoder(kUnits, context, clock);
  const v1::EventType type = MakeCatalog(kUnits).units(0).events(0);
  const v1::Event decoded = decoder.Decode(0, 0, kNetdevTxqueueTimeout.events[0], &event);
  CHECK(CheckValues(type, decoded).ok());
  return TracerData(type, decoded);
}

TEST_CASE("a stuck queue: which, of whom, for how long") {
  timespec tick{};
  clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
  netdev_txqueue_timeout_event event = Stuck();
  event.stalled_jiffies = 5'000'000'000 / static_cast<uint64_t>(tick.tv_nsec);
  const uint64_t ms = event.stalled_jiffies * static_cast<uint64_t>(tick.tv_nsec) / 1'000'000;
  CHECK(ms <= 5000);
  CHECK(ms >= 4990);
  CHECK(Json(event) ==
        fmt::format(
            R"({{"comm":"swapper/1","pid":0,"tid":0,"cpu":1,"cgroup_id":null,"queue_index":3,)"
            R"("device_name":"eth0","driver_name":"mlx5_core","timeout_ms":{},"ifindex":5,)"
            R"("netns_inum":4026531840}})",
            ms));
}

TEST_CASE("a device without a driver has no driver's name") {
  netdev_txqueue_timeout_event event = Stuck();
  event.driver_name[0] = '\0';
  CHECK(Json(event).find(R"("driver_name":null)") != std::string::npos);
}

}  // namespace
}  // namespace huatuo
