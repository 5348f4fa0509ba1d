#include "bpf/lock_delay.h"

#include <catch2/catch.hpp>

#include "collector/decode/decoder.h"
#include "common/document.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kLockDelay;

namespace {

constexpr const Unit* kUnits[] = {&kLockDelay};

// Knows one lock and one function of the kernel.
class LockContext : public FakeContext {
 public:
  v1::Frame Symbolize(uint64_t address) override {
    v1::Frame frame;
    frame.set_address(address);
    if (address == 0x10) frame.set_symbol("rtnl_mutex");
    if (address == 0x20) frame.set_symbol("rtnl_lock");
    if (address == 0x21) frame.set_module("bpf");
    if (address == 0x22) frame.set_symbol("bpf_trace_run2");
    return frame;
  }
};

lock_delay_event Wait() {
  lock_delay_event event{};
  event.header.cgroup = {7, 0, 0};
  event.header.tgid = 50;
  event.header.tid = 51;
  event.header.cpu = 1;
  event.header.size = sizeof(event);
  std::memcpy(event.header.comm, "ip", 3);
  event.holder_cgroup = {8, 0, 0};
  // The two upper ones are the probe's own.
  event.stack.frame[0] = 0x21;
  event.stack.frame[1] = 0x22;
  event.stack.frame[2] = 0x20;
  event.lock = 0x10;
  event.delay_ns = 101'000'000;
  event.threshold_ns = 100'000'000;
  event.flags = LOCK_MUTEX | LOCK_SPIN;
  event.holder_tgid = 60;
  event.holder_tid = 61;
  std::memcpy(event.holder_comm, "cni", 4);
  return event;
}

v1::Event Decoded(const lock_delay_event& event) {
  LockContext context;
  context.Add(7, "c7", "seven");
  context.Add(8, "c8", "eight");
  ManualClock clock;
  return Decoder(kUnits, context, clock).Decode(0, 0, kLockDelay.events[0], &event);
}

std::string Json(const lock_delay_event& event) {
  const v1::EventType type = MakeCatalog(kUnits).units(0).events(0);
  const v1::Event decoded = Decoded(event);
  CHECK(CheckValues(type, decoded).ok());
  return TracerData(type, decoded);
}

TEST_CASE("a wait for a lock: which, how long, who had it") {
  CHECK(Json(Wait()) ==
        R"({"comm":"ip","pid":50,"tid":51,"cpu":1,"cgroup_id":"7","delay_ns":101000000,)"
        R"("threshold_ns":100000000,"kind":"mutex","wanted":null,"lock":"rtnl_mutex",)"
        R"("culprit_pid":60,"culprit_tid":61,"culprit_comm":"cni","stack":"rtnl_lock+0x0",)"
        R"("stack_frames":[{"address":"0x20","symbol":"rtnl_lock","offset":0}]})");
  const v1::Event event = Decoded(Wait());
  REQUIRE(event.subjects_size() == 2);
  CHECK(event.subjects(0).container().id() == "c7");
  CHECK(event.subjects(1).role() == "culprit");
  CHECK(event.subjects(1).container().id() == "c8");
}

TEST_CASE("a wait for a lock that readers have names nobody") {
  lock_delay_event event = Wait();
  event.flags = LOCK_WRITE;
  event.lock = 0x30;
  event.holder_tgid = event.holder_tid = 0;
  event.holder_comm[0] = '\0';
  CHECK(Json(event).find(R"("kind":"rwsem","wanted":"write","lock":null,"culprit_pid":null,)"
                         R"("culprit_tid":null,"culprit_comm":null)") != std::string::npos);
  event.flags = LOCK_PERCPU | LOCK_READ;
  CHECK(Json(event).find(R"("kind":"percpu_rwsem","wanted":"read")") != std::string::npos);
  event.flags = LOCK_RT;
  CHECK(Json(event).find(R"("kind":"rtmutex","wanted":null)") != std::string::npos);
  event.flags = 0;
  CHECK(Json(event).find(R"("kind":"semaphore")") != std::string::npos);
}

}  // namespace
}  // namespace huatuo
