#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "collector/kernel/sched_probe.h"
#include "collector/parameters.h"
#include "collector/roster.h"
#include "collector/self_report.h"
#include "common/status.h"
#include "google/protobuf/text_format.h"
#include "test/collector/fake_context.h"

namespace huatuo {
namespace {

// What the fake instances do, and what was done to them.
struct Script {
  absl::Status refusal;
  EmitCounts counts;      // as they are
  EmitCounts after_stop;  // as they are when it has stopped
  int last_profiles = 0;  // handed over by the destructor
  std::vector<std::string> calls;
};
Script* script = nullptr;

class FakeInstance : public Instance {
 public:
  FakeInstance(const OpenRequest& request, const Resources& resources)
      : request_(request), resources_(resources) {}
  ~FakeInstance() override {
    script->calls.push_back("destroyed " + request_.task_id);
    for (int i = 0; i < script->last_profiles; ++i) resources_.profiles->Take(request_, {});
  }
  absl::Status SetParameter(size_t, uint64_t value) override {
    script->calls.push_back(fmt::format("rate {}", value));
    return absl::OkStatus();
  }
  absl::Status SetFilter(std::string_view text) override {
    if (!script->refusal.ok()) return script->refusal;
    script->calls.push_back(fmt::format("filter {}", text));
    return absl::OkStatus();
  }
  EmitCounts counts() const override { return script->counts; }
  void Stop() override {
    script->counts = script->after_stop;
    script->calls.push_back("stopped " + request_.task_id);
  }

 private:
  const OpenRequest request_;
  const Resources& resources_;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  if (!script->refusal.ok()) return script->refusal;
  script->calls.push_back(fmt::format("opened {} container={} pid={} text={} rate={}",
                                      request.task_id, request.filter.container_id,
                                      request.filter.pid, request.filter.text,
                                      request.parameters.empty() ? 0 : request.parameters[0]));
  return std::make_unique<FakeInstance>(request, resources);
}

constexpr Mechanism kMechanisms[] = {{"fake", "", &Open}};
constexpr Parameter kParameters[] = {
    {.name = "rate", .help = "", .unit = "", .default_value = 5, .minimum = 1, .maximum = 9}};
constexpr Unit kTool = {.name = "tool",
                        .help = "",
                        .parameters = kParameters,
                        .mechanisms = kMechanisms,
                        .task = true,
                        .filter = "packet"};
constexpr Unit kPlain = {.name = "plain", .help = "", .mechanisms = kMechanisms};
constexpr const Unit* kUnits[] = {&kTool, &kPlain};

class CountingSink : public ProfileSink {
 public:
  void Take(const OpenRequest&, v1::Profile) override { ++taken; }
  int taken = 0;
};

class NoEvents : public EventSink {
  void Emit(const OpenRequest&, size_t, std::shared_ptr<const void>) override {}
  void Lost(const OpenRequest&, std::string_view, uint64_t) override {}
};

template <typename T>
T Parse(const std::string& text) {
  T message;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &message));
  return message;
}

struct Bed {
  Bed() { script = &the_script; }

  std::string Ask(const std::string& id,
                  const std::function<void(v1::OpenInstance&)>& change = {}) {
    v1::OpenInstance request;
    request.set_task_id(id);
    request.set_unit("tool");
    if (change) change(request);
    return roster.Open(request).ShortDebugString();
  }
  // Nothing of the closing instances is on its way any more.
  void Drain() {
    for (const uint32_t instance : ledger.Closing()) ledger.Finish(instance);
  }
  std::string Ends() {
    std::string out;
    uint64_t serial = 0;
    while (const auto end = ledger.Next(serial)) {
      serial = end->serial;
      out += fmt::format("{} {}\n", end->unit, end->reply.ShortDebugString());
    }
    return out;
  }
  std::string Tasks() {
    std::string out;
    for (const v1::UnitStatus& status : roster.Status()) {
      if (status.instance() == "always") continue;
      out += fmt::format("{} {} {}\n", status.unit(), status.instance(), status.state());
    }
    return out;
  }

  Script the_script;
  Root root;
  ManualClock clock;
  FakeContext context;
  SchedProbeOwner sched;
  NoEvents events;
  SelfReport self;
  CountingSink profiles;
  Resources resources{root, clock, context, sched, events, self, -1, &profiles};
  TaskLedger ledger;
  Roster roster{kUnits, resources, ledger};
};

TEST_CASE("a task runs, ends by itself, and its end is kept until it is confirmed") {
  Bed bed;
  int ends = 0;
  bed.ledger.OnEnd([&ends] { ++ends; });
  CHECK(bed.Ask("t1", [](v1::OpenInstance& request) {
    request.set_duration_ns(1000);
    request.set_filter("tcp");
    request.add_values()->set_name("rate");
    request.mutable_values(0)->set_value(7);
  }) == R"(task_id: "t1" running: true)");
  CHECK(bed.the_script.calls ==
        std::vector<std::string>{"opened t1 container= pid=0 text=tcp rate=7"});
  CHECK(bed.ledger.TaskOf(1) == "t1");
  CHECK(bed.Tasks() == "tool task:t1 1\n");
  CHECK_FALSE(bed.roster.CloseExpired());
  bed.clock.Advance(1000);
  bed.the_script.counts = {.emitted = 1, .refused = 1, .ring_full = 1};
  bed.the_script.after_stop = {.emitted = 2, .refused = 2, .ring_full = 3};
  bed.the_script.last_profiles = 2;
  CHECK(bed.roster.CloseExpired());
  CHECK(bed.the_script.calls.back() == "destroyed t1");
  CHECK(bed.profiles.taken == 2);
  // Its last events come through the pipeline; until then it has not ended.
  CHECK(bed.Ends() == "");
  CHECK(bed.ledger.TaskOf(1) == "t1");
  CHECK(bed.ledger.Closing() == std::vector<uint32_t>{1});
  bed.ledger.CountEvent(1);
  bed.ledger.CountEvent(1);
  bed.ledger.CountLost(1, 10);
  bed.Drain();
  CHECK(ends == 1);
  CHECK(bed.ledger.TaskOf(1) == std::nullopt);
  const std::string end =
      "tool task_id: \"t1\" reason: \"its time is over\" completed: true "
      "events: 2 profiles: 2 lost: 15\n";
  CHECK(bed.Ends() == end);
  // The server sees that the node knows it, and asks again without running it again.
  CHECK(bed.Tasks() == "tool task:t1 3\n");
  CHECK("tool " + bed.Ask("t1") + "\n" == end);
  bed.ledger.Confirm("t1");
  CHECK(bed.Ends() == "");
  CHECK(bed.Tasks() == "");
}

TEST_CASE("tasks: by request, with the process, opened twice") {
  Bed bed;
  bed.Ask("t1");
  bed.Ask("t2");
  CHECK(bed.Ask("t2") == R"(task_id: "t2" running: true)");
  CHECK(bed.the_script.calls.size() == 2);
  bed.roster.Close("t1", "closed by request");
  bed.roster.Close("t1", "closed by request");
  bed.roster.Close("nobody", "closed by request");
  bed.roster.CloseTasks("the collector was stopped");
  bed.Drain();
  CHECK(bed.Ends() ==
        "tool task_id: \"t1\" reason: \"closed by request\" completed: true\n"
        "tool task_id: \"t2\" reason: \"the collector was stopped\"\n");
  const TaskLedger::Counts counts = bed.ledger.counts();
  CHECK(counts.open == 0);
  CHECK(counts.completed == 1);
  CHECK(counts.failed == 1);
}

TEST_CASE("tasks: what the node refuses") {
  Bed bed;
  const auto set = [&](const std::function<void(v1::OpenInstance&)>& change) {
    return bed.Ask("t", change);
  };
  CHECK(set([](auto& r) { r.set_unit("none"); }) ==
        R"(task_id: "t" reason: "unit: \"none\": no such unit")");
  CHECK(set([](auto& r) { r.set_unit("plain"); }) ==
        R"(task_id: "t" reason: "unit: plain: cannot be asked for as a task")");
  CHECK(set([](auto& r) { r.add_values()->set_name("ratio"); }) ==
        R"(task_id: "t" reason: "ratio: unit tool has no such parameter")");
  CHECK(set([](auto& r) { r.add_values()->set_name("rate"); }) ==
        R"(task_id: "t" reason: "rate: 0: accepted are 1 to 9")");
  CHECK(set([](auto& r) { r.set_container_id("c1"); }) ==
        R"(task_id: "t" reason: "container c1: not on this node")");
  CHECK(set([](auto& r) { r.set_pid(4194304); }) ==
        R"(task_id: "t" reason: "pid 4194304: no such process")");
  bed.the_script.refusal = absl::UnavailableError("no BTF");
  CHECK(set({}) == R"(task_id: "t" reason: "fake: no BTF")");
  CHECK(bed.ledger.counts().open == 0);
  CHECK(bed.Tasks() == "");
  bed.the_script.refusal = absl::OkStatus();
  bed.context.live.emplace_back().container.set_id("c1");
  CHECK(set([](auto& r) { r.set_container_id("c1"); }) == R"(task_id: "t" running: true)");
  for (int i = 1; i < 8; ++i) bed.Ask(std::to_string(i));
  CHECK(bed.Ask("8") ==
        R"(task_id: "8" reason: "unit tool: 8 tasks are open, which is the limit")");
}

TEST_CASE("parameters and filter change together or not at all") {
  Bed bed;
  const auto set = [&](const std::string& unit, int rate, const std::string& filter) {
    v1::SetParameters request;
    request.set_unit(unit);
    request.set_filter(filter);
    if (rate >= 0) {
      request.add_values()->set_name("rate");
      request.mutable_values(0)->set_value(rate);
    }
    return bed.roster.SetParameters(request).ShortDebugString();
  };
  const auto state = [&] {
    const v1::UnitStatus status = bed.roster.Status()[0];
    return fmt::format("{} {}", status.parameters(0).value(), status.filter());
  };
  // Before the unit is open: what it is opened with.
  CHECK(set("tool", -1, "udp") == "accepted: true");
  bed.roster.OpenAll({});
  CHECK(bed.the_script.calls[0] == "opened  container= pid=0 text=udp rate=5");
  CHECK(set("tool", 7, "tcp") == "accepted: true");
  CHECK(state() == "7 tcp");
  CHECK(set("tool", 10, "udp") == R"(reason: "rate: 10: accepted are 1 to 9")");
  CHECK(set("tool", 8, "tpc").starts_with(R"(reason: "filter: column 1: \"tpc\": )"));
  CHECK(set("plain", -1, "tcp") == R"(reason: "filter: unit plain has none")");
  bed.the_script.refusal = absl::InvalidArgumentError("not on this kernel");
  CHECK(set("tool", 8, "udp") == R"(reason: "not on this kernel")");
  CHECK(state() == "7 tcp");
  CHECK(std::vector(bed.the_script.calls.begin() + 2, bed.the_script.calls.end()) ==
        std::vector<std::string>{"filter tcp", "rate 7"});
}

TEST_CASE("a configuration: each unit as a whole, over what it began with") {
  Bed bed;
  bed.roster.SetParameters(
      Parse<v1::SetParameters>(R"(unit: "tool" values { name: "rate" value: 4 } filter: "udp")"));
  bed.roster.OpenAll({"plain"});
  const auto configure = [&](const std::string& text) {
    bed.the_script.calls.clear();
    return bed.roster.Configure(Parse<v1::Configure>(text)).ShortDebugString();
  };
  const auto state = [&] {
    const auto status = bed.roster.Status();
    return fmt::format("{} {} {} {}", status[0].state(), status[0].parameters(0).value(),
                       status[0].filter(), status[1].state());
  };
  constexpr int kOn = v1::UnitStatus::RUNNING;
  constexpr int kOff = v1::UnitStatus::OFF;
  CHECK(configure("") == "");
  CHECK(bed.the_script.calls.empty());
  const std::string first =
      R"(version: 1 units { unit: "tool" filter: "tcp" } units { unit: "plain" enabled: true })";
  CHECK(configure(first) == "version: 1");
  CHECK(state() == fmt::format("{} 4 tcp {}", kOn, kOn));
  CHECK(configure(first) == "version: 1");
  CHECK(bed.the_script.calls.empty());
  // Of a unit that is refused, nothing changes; the others do.
  CHECK(configure(
            R"(version: 2 units { unit: "tool" filter: "icmp" values { name: "rate" value: 10 } }
                     units { unit: "none" })") ==
        R"(version: 2 refused { unit: "none" reason: "no such unit" } )"
        R"(refused { unit: "tool" reason: "rate: 10: accepted are 1 to 9" })");
  CHECK(state() == fmt::format("{} 4 tcp {}", kOn, kOff));
  // What a configuration set before and this one does not name is as in the beginning.
  CHECK(configure(R"(version: 3 units { unit: "tool" values { name: "rate" value: 9 } })") ==
        "version: 3");
  CHECK(state() == fmt::format("{} 9 udp {}", kOn, kOff));
  CHECK(configure(R"(version: 4 units { unit: "tool" enabled: false })") == "version: 4");
  CHECK(state() == fmt::format("{} 4 udp {}", kOff, kOff));
  CHECK(bed.roster.Status()[0].reason() == "by configuration");
  CHECK(configure("version: 5") == "version: 5");
  CHECK(state() == fmt::format("{} 4 udp {}", kOn, kOff));
  CHECK(bed.the_script.calls ==
        std::vector<std::string>{"opened  container= pid=0 text=udp rate=4"});
}

TEST_CASE("what a unit lost stays counted when it is given up and taken back") {
  Bed bed;
  bed.roster.OpenAll({});
  const auto counts = [&] {
    const v1::UnitStatus status = bed.roster.Status()[0];
    return fmt::format("{} {} {}", status.emitted(), status.refused(), status.ring_full());
  };
  bed.the_script.counts = {.emitted = 1, .refused = 2, .ring_full = 3};
  bed.the_script.after_stop = {.emitted = 1, .refused = 2, .ring_full = 4};
  CHECK(counts() == "1 2 3");
  CHECK(bed.roster.Shed("tool"));
  CHECK(counts() == "1 2 4");
  bed.the_script.counts = {};
  CHECK(bed.roster.Restore("tool"));
  CHECK(counts() == "1 2 4");
  bed.the_script.counts = {.emitted = 10, .refused = 10, .ring_full = 10};
  CHECK(counts() == "11 12 14");
}

TEST_CASE("assignments of the settings") {
  const auto parse = [](std::string_view text) {
    const auto change = ParseAssignment(kUnits, text);
    return change.ok() ? change->ShortDebugString() : Message(change.status());
  };
  CHECK(parse("tool.rate=7") == R"(unit: "tool" values { name: "rate" value: 7 })");
  CHECK(parse("tool.filter=tcp and port 80") == R"(unit: "tool" filter: "tcp and port 80")");
  CHECK(parse("tool.rate") ==
        R"("tool.rate": accepted are UNIT.PARAMETER=NUMBER and UNIT.filter=TEXT)");
  CHECK(parse("loot.rate=7") == R"("loot": no such unit)");
  CHECK(parse("tool.ratio=7") == "ratio: unit tool has no such parameter");
  CHECK(parse("tool.rate=-7") == R"(rate: "-7": an integer is accepted)");
  CHECK(parse("tool.rate=70") == "rate: 70: accepted are 1 to 9");
  CHECK(parse("plain.filter=tcp") == "filter: unit plain has none");
  CHECK(parse("tool.filter=tcp prt 80").starts_with("filter: column 5: "));
}

TEST_CASE("ends that nobody confirms are bounded and counted") {
  TaskLedger ledger;
  for (uint32_t i = 1; i <= TaskLedger::kMaxEnds + 2; ++i) {
    ledger.Open(i, "tool", std::to_string(i));
    ledger.Close(i, 0, true, "");
    ledger.Finish(i);
  }
  CHECK(ledger.Next(0)->reply.task_id() == "3");
  CHECK(ledger.counts().forgotten == 2);
}

}  // namespace
}  // namespace huatuo
