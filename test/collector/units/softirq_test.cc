#include "bpf/softirq.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "collector/decode/decoder.h"
#include "collector/units/tick_place.h"
#include "common/document.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kSoftirq;

namespace {

constexpr const Unit* kUnits[] = {&kSoftirq};

// Knows three of the kernel's functions.
class Symbols : public FakeContext {
 public:
  v1::Frame Symbolize(uint64_t address) override {
    v1::Frame frame = FakeContext::Symbolize(address);
    if (address == 1) frame.set_symbol("handle_softirqs");
    if (address == 2) frame.set_symbol("__irq_exit_rcu");
    if (address == 3) frame.set_symbol("run_ksoftirqd");
    return frame;
  }
};

softirq_event Held(uint32_t vector, uint64_t now_ns, uint64_t off_ns) {
  softirq_event event{};
  event.header.cgroup = {7, 0, 0};
  event.header.tgid = 50;
  event.header.tid = 51;
  event.header.cpu = 3;
  event.header.size = sizeof(event);
  std::memcpy(event.header.comm, "holder", 7);
  event.now_ns = now_ns;
  event.off_ns = off_ns;
  event.threshold_ns = 100'000'000;
  event.caller[0] = 1;
  event.caller[1] = 2;
  event.place.stack.frame[0] = 0x1000;
  event.kind = SOFTIRQ_KIND_SOFT;
  event.vector = vector;
  event.vectors = 1U << vector;
  event.samples = 8;
  event.culprit_samples = 7;
  return event;
}

std::string Json(const softirq_event& event) {
  Symbols context;
  ManualClock clock;
  const Decoder decoder(kUnits, context, clock);
  return TracerData(MakeCatalog(kUnits).units(0).events(0),
                    decoder.Decode(0, 0, kSoftirq.events[0], &event));
}

TEST_CASE("softirqs held off: what, for how long, by whom, and where they ran at last") {
  CHECK(Json(Held(3, 900'000'000, 250'000'000)) ==
        R"({"comm":"holder","pid":50,"tid":51,"cpu":3,"cgroup_id":"7","now":900000000,)"
        R"("offtime":250000000,"threshold":100000000,"stack":"0x1000",)"
        R"("stack_frames":[{"address":"0x1000"}],"kind":"softirq","vector":"NET_RX",)"
        R"("vectors":"NET_RX","served_by":"irq_exit","registers":null,"samples":8,)"
        R"("culprit_samples":7})");
}

TEST_CASE("held off interrupts have no vector, and nobody served them") {
  softirq_event event = Held(0, 900'000'000, 250'000'000);
  event.kind = SOFTIRQ_KIND_HARD;
  event.vectors = 0;
  event.caller[0] = event.caller[1] = 0;
  CHECK(Json(event).find(R"("kind":"hardirq","vector":null,"vectors":null,"served_by":null)") !=
        std::string::npos);
}

TEST_CASE("a softirq that its own thread ran") {
  softirq_event event = Held(9, 900'000'000, 250'000'000);
  event.caller[1] = 3;
  CHECK(Json(event).find(R"("vectors":"RCU","served_by":"ksoftirqd")") != std::string::npos);
  event.caller[1] = 0;
  CHECK(Json(event).find(R"("served_by":null)") != std::string::npos);
}

TEST_CASE("what one hold delayed together is one event, of the longest") {
  const EventType& type = kSoftirq.events[0];
  softirq_event first = Held(6, 1'000'000'000, 200'000'000);
  const softirq_event longer = Held(9, 1'000'100'000, 350'000'000);
  REQUIRE(type.fold(&first, &longer));
  CHECK(Json(first).find(R"("offtime":350000000)") != std::string::npos);
  CHECK(Json(first).find(R"("vector":"RCU","vectors":"TASKLET RCU")") != std::string::npos);

  // A hold that began after the end of the first.
  const softirq_event next = Held(6, 1'500'000'000, 200'000'000);
  CHECK_FALSE(type.fold(&first, &next));
  softirq_event elsewhere = longer;
  elsewhere.header.cpu = 4;
  CHECK_FALSE(type.fold(&first, &elsewhere));
  softirq_event hard = longer;
  hard.kind = SOFTIRQ_KIND_HARD;
  CHECK_FALSE(type.fold(&first, &hard));
  CHECK_FALSE(type.fold(&hard, &first));
}

TEST_CASE("registers are named, and unknown in user space") {
  tick_place place{};
  CHECK(PlaceRegisters(place).kind_case() == v1::Value::KIND_NOT_SET);
  place.registers[0] = 0x15;
  place.registers[16] = 0xffffffff81000000;
  const std::string text = PlaceRegisters(place).text();
#if defined(__x86_64__)
  CHECK(text ==
        "r15=15 r14=0 r13=0 r12=0 bp=0 bx=0 r11=0 r10=0 r9=0 r8=0 ax=0 cx=0 dx=0 si=0 di=0 oax=0 "
        "ip=ffffffff81000000 cs=0 flags=0 sp=0 ss=0");
#else
  CHECK(text.starts_with("x0=15 x1=0 "));
#endif
}

}  // namespace
}  // namespace huatuo
