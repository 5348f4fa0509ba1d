#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <map>

#include "collector/decode/decoder.h"
#include "collector/decode/recording.h"
#include "collector/kernel/cpu_stacks.h"
#include "collector/kernel/sched_probe.h"
#include "collector/self_report.h"
#include "collector/units/hungtask_watch.h"
#include "common/document.h"
#include "test/collector/enrich/fixture.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kHungtask;

namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr const Unit* kUnits[] = {&kHungtask};

hungtask_task Task(uint32_t tid, uint64_t switches = 7) {
  hungtask_task task{};
  task.start_ns = 5;
  task.switches = switches;
  task.cgroup = {7, 0, 0};
  task.tgid = tid;
  task.tid = tid;
  std::memcpy(task.comm, "writer", 7);
  return task;
}

// What a test says is waiting.
class FakeSource : public HungtaskSource {
 public:
  absl::Status Sweep(bool stacks, const Visit& visit) override {
    stack_sweeps += stacks ? 1 : 0;
    if (failing) return absl::UnavailableError("no");
    for (hungtask_task task : waiting) {
      task.time_ns = now_ns;
      if (stacks) {
        task.frames = 1;
        task.stack[0] = 0xffffffff81000000 + task.tid;
      }
      visit(task);
    }
    return absl::OkStatus();
  }
  void TakeHangs(const Visit& visit) override {
    for (const hungtask_task& task : std::exchange(hangs, {})) visit(task);
  }
  uint64_t missed() const override { return 0; }

  uint64_t now_ns = 0;
  bool failing = false;
  int stack_sweeps = 0;
  std::vector<hungtask_task> waiting;
  std::vector<hungtask_task> hangs;
};

class Events : public EventSink {
 public:
  void Emit(const OpenRequest&, size_t, std::shared_ptr<const void> record) override {
    events.push_back(std::static_pointer_cast<const Hungtask>(record));
  }
  void Lost(const OpenRequest&, std::string_view cause, uint64_t count) override {
    lost[std::string(cause)] += count;
  }
  // "<tid> <seconds>s <by> of <count>;" of each since the last call.
  std::string Take() {
    std::string text;
    for (const auto& event : std::exchange(events, {})) {
      const auto& state = event->hung.state_ns;
      text += fmt::format("{} {} {} of {};", event->hung.task.tid,
                          state ? fmt::format("{}s", *state / kSecond) : "?",
                          event->by_kernel ? "kernel" : "sweep", event->blocked->count);
    }
    return text;
  }

  std::vector<std::shared_ptr<const Hungtask>> events;
  std::map<std::string, uint64_t> lost;
};

struct Bench {
  explicit Bench(const InstanceFilter& filter = {}) : watch(Request(filter), source, resources) {
    clock.Advance(1000 * static_cast<int64_t>(kSecond));
    context.Add(7, "c7", "seven");
  }
  static OpenRequest Request(const InstanceFilter& filter) {
    OpenRequest request;
    request.unit = &kHungtask;
    request.filter = filter;
    return request;
  }
  std::string After(uint64_t seconds) {
    clock.Advance(static_cast<int64_t>(seconds * kSecond));
    source.now_ns = static_cast<uint64_t>(clock.BootNs());
    watch.Sweep(limits);
    return sink.Take();
  }

  const Root root;
  ManualClock clock;
  FakeContext context;
  SchedProbeOwner sched;
  SelfReport report;
  Events sink;
  FakeSource source;
  Resources resources{root, clock, context, sched, sink, report};
  HungtaskWatch watch;
  HungtaskTable::Limits limits{120 * kSecond, 1800 * kSecond, 10};
};

class Answer : public Completion {
 public:
  Answer(const Root& root, Context& context) : root_(root), context_(context) {}
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
  const Root& root_;
  Context& context_;
};

// tracer_data of `event`, completed, without what the CPUs of this machine are doing.
std::string Json(const Hungtask& event, const Root& root, Context& context) {
  ManualClock clock;
  const Decoder decoder(kUnits, context, clock);
  v1::Event decoded = decoder.Decode(0, 0, kHungtask.events[0], &event);
  Answer answer(root, context);
  CompleteHungtask(&event, answer);
  answer.values.erase("cpus_stack");
  for (auto& [name, value] : answer.values) {
    *decoded.mutable_values(LateIndex(kHungtask.events[0], name)) = std::move(value);
  }
  return TracerData(MakeCatalog(kUnits).units(0).events(0), decoded);
}

}  // namespace

TEST_CASE("a task that has not run for the threshold is hung, once in the cool-down") {
  Bench bench;
  bench.source.waiting = {Task(1), Task(2)};
  CHECK(bench.After(0).empty());
  CHECK(bench.After(119).empty());
  CHECK(bench.source.stack_sweeps == 0);
  CHECK(bench.After(1) == "1 120s sweep of 2;2 120s sweep of 2;");
  CHECK(bench.source.stack_sweeps == 1);
  CHECK(bench.After(10).empty());
  CHECK(bench.After(1789).empty());
  CHECK(bench.After(1) == "1 1920s sweep of 2;2 1920s sweep of 2;");
  CHECK(bench.watch.emitted() == 4);
  CHECK(bench.watch.refused() == 0);
}

TEST_CASE("who ran in between, or can be killed, is not hung") {
  Bench bench;
  bench.source.waiting = {Task(1), Task(2), Task(3)};
  bench.source.waiting[2].killable = 1;
  bench.After(0);
  bench.source.waiting[0].switches = 8;
  bench.After(60);
  CHECK(bench.After(60) == "2 120s sweep of 3;");
  bench.source.waiting.pop_back();
  CHECK(bench.After(60) == "1 120s sweep of 2;");
}

TEST_CASE("a task that left the state begins anew, but not its cool-down") {
  Bench bench;
  bench.source.waiting = {Task(1)};
  bench.After(0);
  CHECK(bench.After(120) == "1 120s sweep of 1;");
  bench.source.waiting.clear();
  bench.After(10);
  bench.source.waiting = {Task(1)};
  bench.After(10);
  CHECK(bench.After(500).empty());
  CHECK(bench.After(1280) == "1 1780s sweep of 1;");
  // The number was given to another task.
  bench.source.waiting[0].start_ns = 6;
  bench.After(10);
  CHECK(bench.After(120) == "1 120s sweep of 1;");
}

TEST_CASE("what the kernel reports is an event at once, and the sweep does not repeat it") {
  Bench bench;
  bench.source.waiting = {Task(1)};
  bench.source.hangs = {Task(1), Task(9), Task(1)};
  CHECK(bench.After(0) == "1 0s kernel of 1;9 ? kernel of 1;");
  CHECK(bench.After(120).empty());
  bench.source.hangs = {Task(1)};
  CHECK(bench.After(1).empty());
}

TEST_CASE("a cgroup's hangs are limited by the minute, others' are not, and refusals count") {
  Bench bench;
  bench.limits.limit_per_minute = 2;
  for (uint32_t tid = 1; tid <= 5; ++tid) bench.source.waiting.push_back(Task(tid));
  bench.source.waiting[4].cgroup.id = 8;
  bench.After(0);
  CHECK(bench.After(120) == "1 120s sweep of 5;2 120s sweep of 5;5 120s sweep of 5;");
  CHECK(bench.watch.refused() == 2);
  CHECK(bench.After(61).empty());
  CHECK(bench.watch.refused() == 2);
  CHECK(bench.watch.emitted() == 3);
}

TEST_CASE("a task instance sees its process or container only") {
  Bench by_pid({.container_id = "", .pid = 2, .text = ""});
  by_pid.source.waiting = {Task(1), Task(2)};
  by_pid.After(0);
  CHECK(by_pid.After(120) == "2 120s sweep of 2;");
  Bench by_container({.container_id = "c7", .pid = 0, .text = ""});
  by_container.source.waiting = {Task(1), Task(2)};
  by_container.source.waiting[0].cgroup.id = 8;
  by_container.After(0);
  CHECK(by_container.After(120) == "2 120s sweep of 2;");
}

TEST_CASE("a sweep that fails forgets nobody and is counted") {
  Bench bench;
  bench.source.waiting = {Task(1)};
  bench.After(0);
  bench.source.failing = true;
  CHECK(bench.After(60).empty());
  CHECK(bench.sink.lost["sweep_failed"] == 1);
  bench.source.failing = false;
  CHECK(bench.After(60) == "1 120s sweep of 1;");
}

TEST_CASE(
    "of very many waiting tasks some are not tracked, which is counted; the list is bounded") {
  Bench bench;
  for (uint32_t tid = 1; tid <= HungtaskTable::kMaxWaiting + 3; ++tid) {
    bench.source.waiting.push_back(Task(tid));
  }
  bench.limits.limit_per_minute = 1;
  bench.After(0);
  CHECK(bench.sink.lost["untracked_task"] == 3);
  bench.clock.Advance(120 * static_cast<int64_t>(kSecond));
  bench.watch.Sweep(bench.limits);
  REQUIRE(bench.sink.events.size() == 1);
  CHECK(bench.sink.events[0]->blocked->listed.size() == 64);
  CHECK(bench.sink.events[0]->blocked->count == HungtaskTable::kMaxWaiting + 3);
  CHECK(bench.watch.refused() == HungtaskTable::kMaxWaiting - 1);
}

TEST_CASE("the event says who hangs where, and who else waits") {
  Bench bench;
  bench.source.waiting = {Task(41), Task(42)};
  bench.source.waiting[1].killable = 1;
  bench.source.waiting[1].cgroup = {};
  bench.After(0);
  bench.clock.Advance(120 * static_cast<int64_t>(kSecond));
  bench.watch.Sweep(bench.limits);
  REQUIRE(bench.sink.events.size() == 1);
  const Fixture nobody("");
  CHECK(Json(*bench.sink.events[0], Root(nobody.folder()), bench.context) ==
        R"({"comm":"writer","pid":41,"tid":41,"cgroup_id":"7","state_ns":120000000000,)"
        R"("detected_by":"sweep","wchan":null,"stack":"0xffffffff81000029",)"
        R"("stack_frames":[{"address":"0xffffffff81000029"}],"cpus_stack":null,)"
        R"("d_process_count":2,"blocked_processes_stack":"writer 41/41\n  0xffffffff81000029\n)"
        R"(writer 42/42\n  0xffffffff8100002a\n","blocked_processes":[)"
        R"({"comm":"writer","pid":41,"tid":41,"state_ns":120000000000,"wchan":null,)"
        R"("killable":false,"container_id":"c7"},)"
        R"({"comm":"writer","pid":42,"tid":42,"state_ns":120000000000,"wchan":null,)"
        R"("killable":true,"container_id":null}]})");
}

TEST_CASE("where the kernel gives no stack, the task's own files tell it") {
  const Fixture tree("");
  tree.Make("/proc/41/task/41");
  tree.Write("/proc/41/task/41/stack",
             "[<0>] percpu_rwsem_wait+0x116/0x140\n[<0>] ext4_write+0x1c/0x80 [ext4]\n");
  tree.Write("/proc/41/task/41/wchan", "percpu_rwsem_wait");
  const Root root(tree.folder());
  FakeContext context;
  Hungtask event;
  event.hung.task = Task(41);
  auto blocked = std::make_shared<BlockedTasks>();
  blocked->listed = {{Task(41), 3}, {Task(43), std::nullopt}};
  blocked->count = 5;
  event.blocked = blocked;
  const std::string json = Json(event, root, context);
  INFO(json);
  CHECK(json.find(R"("state_ns":null,"detected_by":"sweep","wchan":"percpu_rwsem_wait",)"
                  R"("stack":"percpu_rwsem_wait+0x116\next4_write+0x1c [ext4]",)"
                  R"("stack_frames":[{"symbol":"percpu_rwsem_wait","offset":278},)"
                  R"({"symbol":"ext4_write","offset":28,"module":"ext4"}])") != std::string::npos);
  CHECK(json.find(R"("blocked_processes_stack":"writer 41/41\n  percpu_rwsem_wait+0x116\n)"
                  R"(  ext4_write+0x1c [ext4]\nwriter 43/43\n  no stack\nand 3 more\n")") !=
        std::string::npos);
}

// Two writers to a frozen ext4 on 6.1, as the collector recorded them.
TEST_CASE("a recorded hang is the same event for ever") {
  const v1::Catalog catalog = MakeCatalog(kUnits);
  std::vector<std::string> seen;
  const auto skipped = Replay(
      TEST_DIR "/../../recordings/hungtask-6.1.recording", catalog,
      {.record = [](std::span<const std::byte>) {},
       .event =
           [&](v1::Event event) {
             const auto data =
                 boost::json::parse(TracerData(catalog.units(0).events(0), event)).as_object();
             seen.push_back(fmt::format("{} {} {} {} in {} of {}: {}",
                                        std::string(data.at("comm").as_string()),
                                        boost::json::serialize(data.at("pid")),
                                        boost::json::serialize(data.at("state_ns")),
                                        std::string(data.at("wchan").as_string()),
                                        event.subjects(0).container().id().substr(0, 4),
                                        boost::json::serialize(data.at("d_process_count")),
                                        boost::json::serialize(data.at("stack"))));
           }});
  REQUIRE(skipped.ok());
  const std::string stack =
      R"("percpu_rwsem_wait+0x116\nvfs_write+0x3a0\nksys_write+0x6b\ndo_syscall_64+0x5d\n)"
      R"(entry_SYSCALL_64_after_hwframe+0x6e")";
  CHECK(*skipped == 0);
  CHECK(fmt::format("{}", fmt::join(seen, "\n")) ==
        "writer 340 2459149965 percpu_rwsem_wait in 184a of 2: " + stack +
            "\nwriter 341 2499694499 percpu_rwsem_wait in 184a of 2: " + stack);
}

TEST_CASE("[host] every CPU that is asked answers with a stack of this kernel or is idle") {
  const auto cpus = SampleCpus(std::chrono::steady_clock::now() + std::chrono::seconds(5));
  if (cpus.empty()) {
    fmt::print("skipped: perf events are refused here\n");
    return;
  }
  // This thread waits in poll meanwhile, so that no CPU is without an answer for long.
  for (const CpuStack& cpu : cpus) {
    INFO("CPU " << cpu.cpu);
    CHECK(cpu.answered);
    CHECK((cpu.tid != 0 || !cpu.frames.empty()));
    for (const uint64_t address : cpu.frames) CHECK(address >> 63 == 1);
  }
}

}  // namespace huatuo
