#include "bpf/softlockup.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <map>

#include "collector/decode/decoder.h"
#include "collector/units/softlockup_event.h"
#include "common/document.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kSoftlockup;

namespace {

constexpr const Unit* kUnits[] = {&kSoftlockup};

softlockup_event Stuck() {
  softlockup_event event{};
  event.header.cgroup = {7, 0, 0};
  event.header.tgid = 50;
  event.header.tid = 51;
  event.header.cpu = 0;
  event.header.size = sizeof(event);
  std::memcpy(event.header.comm, "holder", 7);
  event.duration_ns = 1'020'000'000;
  event.threshold_ns = 1'000'000'000;
  event.place.stack.frame[0] = 0x1000;
  event.place.stack.frame[1] = 0x2000;
  return event;
}

std::string Json(const softlockup_event& event) {
  FakeContext context;
  ManualClock clock;
  const Decoder decoder(kUnits, context, clock);
  return TracerData(MakeCatalog(kUnits).units(0).events(0),
                    decoder.Decode(0, 0, kSoftlockup.events[0], &event));
}

std::string Watchdog(std::string_view record) {
  const auto report = ParseWatchdog(record);
  if (!report.has_value()) return "nothing";
  return fmt::format("cpu {} {}/{} {} ns", report->cpu, report->comm, report->tid,
                     report->duration_ns);
}

class Answer : public Completion {
 public:
  explicit Answer(Context& context) : context_(context) {}
  void Set(std::string_view name, v1::Value value) override {
    values[std::string(name)] = std::move(value);
  }
  bool Expired() const override { return false; }
  std::chrono::steady_clock::time_point deadline() const override {
    return std::chrono::steady_clock::now() + std::chrono::seconds(10);
  }
  const Root& root() const override { return root_; }
  Context& context() override { return context_; }

  std::map<std::string, v1::Value> values;

 private:
  const Root root_;
  Context& context_;
};

TEST_CASE("a CPU that does not schedule: who holds it, for how long, where") {
  CHECK(Json(Stuck()) ==
        R"({"comm":"holder","pid":50,"tid":51,"cpu":0,"cgroup_id":"7","duration_ns":1020000000,)"
        R"("threshold_ns":1000000000,"source":"tick","stack":"0x1000\n0x2000",)"
        R"("stack_frames":[{"address":"0x1000"},{"address":"0x2000"}],"registers":null,)"
        R"("cpus_stack":null})");
}

TEST_CASE("the kernel's watchdog has a threshold of its own, and may have no stack for us") {
  softlockup_event event = Stuck();
  event.source = SOFTLOCKUP_BY_WATCHDOG;
  event.threshold_ns = 0;
  event.place = {};
  CHECK(Json(event).find(R"("threshold_ns":null,"source":"watchdog","stack":null)") !=
        std::string::npos);
}

TEST_CASE("reports of the watchdog in the kernel's log") {
  CHECK(Watchdog("0,912,2851312,-;watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [dd:4242]\n") ==
        "cpu 1 dd/4242 22000000000 ns");
  CHECK(Watchdog("0,912,2851312,-;BUG: soft lockup - CPU#12 stuck for 5s! [kworker/0:1]:7]") ==
        "cpu 12 kworker/0:1]/7 5000000000 ns");
  CHECK(Watchdog("6,913,2851313,-;Modules linked in: huatuo_fault\n SUBSYSTEM=x\n") == "nothing");
  CHECK(Watchdog("0,1,2,-;watchdog: BUG: soft lockup - CPU#x stuck for 22s! [dd:42]") == "nothing");
  CHECK(Watchdog("0,1,2,-;watchdog: BUG: soft lockup - CPU#1 stuck for s! [dd:42]") == "nothing");
  CHECK(Watchdog("0,1,2,-;watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [dd:]") == "nothing");
  CHECK(Watchdog("0,1,2,-;watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [dd42]") == "nothing");
  CHECK(Watchdog("") == "nothing");
}

TEST_CASE("of its own CPU an event says what was done when it was seen") {
  FakeContext context;
  Answer answer(context);
  const softlockup_event event = Stuck();
  CompleteSoftlockup(&event, answer);
  const std::string own = "CPU 0: holder 50/51\n  0x1000\n  0x2000\n";
  CHECK(answer.values.at("cpus_stack").text().substr(0, own.size()) == own);
}

}  // namespace
}  // namespace huatuo
