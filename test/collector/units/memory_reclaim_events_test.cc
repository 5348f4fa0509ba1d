#include "bpf/memory_reclaim_events.h"

#include <catch2/catch.hpp>

#include "collector/decode/decoder.h"
#include "common/document.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kMemoryReclaimEvents;

namespace {

constexpr const Unit* kUnits[] = {&kMemoryReclaimEvents};

// Knows one function of the kernel.
class ReclaimContext : public FakeContext {
 public:
  v1::Frame Symbolize(uint64_t address) override {
    v1::Frame frame;
    frame.set_address(address);
    if (address < 0x30) frame.set_module("bpf");
    if (address == 0x30) {
      frame.set_symbol("try_to_free_mem_cgroup_pages");
      frame.set_offset(5);
    }
    return frame;
  }
};

memory_reclaim_event Stall() {
  memory_reclaim_event event{};
  event.header.cgroup = {7, 0, 0};
  event.header.tgid = 50;
  event.header.tid = 51;
  event.header.cpu = 1;
  event.header.size = sizeof(event);
  std::memcpy(event.header.comm, "builder", 8);
  event.stack.frame[0] = 0x10;
  event.stack.frame[1] = 0x20;
  event.stack.frame[2] = 0x30;
  event.stack.frame[3] = 0x40;
  event.reclaim_ns = 901'000'000;
  event.elapsed_ns = 990'000'000;
  event.nr_reclaimed = 4096;
  event.reclaims = 128;
  event.order = 3;
  event.gfp_flags = 0xcc0;
  event.scope = RECLAIM_MEMCG;
  return event;
}

std::string Json(const memory_reclaim_event& event) {
  ReclaimContext context;
  ManualClock clock;
  const Decoder decoder(kUnits, context, clock);
  const v1::EventType type = MakeCatalog(kUnits).units(0).events(0);
  const v1::Event decoded = decoder.Decode(0, 0, kMemoryReclaimEvents.events[0], &event);
  CHECK(CheckValues(type, decoded).ok());
  return TracerData(type, decoded);
}

TEST_CASE("a task in reclaim: how long, for what, and where without the probe's own frames") {
  CHECK(Json(Stall()) ==
        R"({"comm":"builder","pid":50,"tid":51,"cpu":1,"cgroup_id":"7","deltatime":901000000,)"
        R"("elapsed_ns":990000000,"reclaims":128,"nr_reclaimed":4096,"scope":"memcg","order":3,)"
        R"("gfp_flags":"0xcc0","stack":"try_to_free_mem_cgroup_pages+0x5\n0x40",)"
        R"("stack_frames":[{"address":"0x30","symbol":"try_to_free_mem_cgroup_pages","offset":5},)"
        R"({"address":"0x40"}]})");
}

TEST_CASE("a stack without a known function is shown whole; none is null") {
  memory_reclaim_event event = Stall();
  event.scope = RECLAIM_GLOBAL;
  event.stack = {};
  event.stack.frame[0] = 0x40;
  CHECK(Json(event).find(R"("scope":"global","order":3,"gfp_flags":"0xcc0","stack":"0x40")") !=
        std::string::npos);
  event.stack = {};
  CHECK(Json(event).find(R"("stack":null)") != std::string::npos);
}

}  // namespace
}  // namespace huatuo
