#include "bpf/fault_delay.h"

#include <catch2/catch.hpp>

#include "collector/decode/decoder.h"
#include "common/document.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kFaultDelay;

namespace {

constexpr const Unit* kUnits[] = {&kFaultDelay};

fault_delay_event Fault() {
  fault_delay_event event{};
  event.header.cgroup = {7, 0, 0};
  event.header.tgid = 50;
  event.header.tid = 51;
  event.header.cpu = 1;
  event.header.size = sizeof(event);
  std::memcpy(event.header.comm, "postgres", 9);
  event.delay_ns = 101'000'000;
  event.threshold_ns = 100'000'000;
  event.inode = 77;
  event.page = 12;
  event.device = 253U << 20 | 3;
  std::memcpy(event.file, "16384", 6);
  return event;
}

std::string Json(const fault_delay_event& event) {
  FakeContext context;
  context.Add(7, "c7", "seven");
  ManualClock clock;
  const v1::Event decoded =
      Decoder(kUnits, context, clock).Decode(0, 0, kFaultDelay.events[0], &event);
  const v1::EventType type = MakeCatalog(kUnits).units(0).events(0);
  CHECK(CheckValues(type, decoded).ok());
  REQUIRE(decoded.subjects_size() == 1);
  CHECK(decoded.subjects(0).container().id() == "c7");
  return TracerData(type, decoded);
}

TEST_CASE("a fault that a file made late: which page of it") {
  CHECK(Json(Fault()) ==
        R"({"comm":"postgres","pid":50,"tid":51,"cpu":1,"cgroup_id":"7","delay_ns":101000000,)"
        R"("threshold_ns":100000000,"from":"file","file":"16384","device":"253:3","inode":77,)"
        R"("page":12,"stack":null})");
}

TEST_CASE("a fault that swap made late has no file") {
  fault_delay_event event = Fault();
  event.source = FAULT_SWAP;
  CHECK(Json(event).find(R"("from":"swap","file":null,"device":null,"inode":null,"page":null)") !=
        std::string::npos);
  event.source = FAULT_SHMEM;
  CHECK(Json(event).find(R"("from":"shmem","file":"16384")") != std::string::npos);
}

}  // namespace
}  // namespace huatuo
