#include "collector/decode/pipeline.h"

#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <condition_variable>

#include "collector/decode/recording.h"
#include "common/document.h"
#include "common/status.h"
#include "test/collector/fake_context.h"

namespace huatuo {
namespace {

struct ping_event {
  event_header header;
  uint64_t size;
  int32_t code;
  uint32_t count;
  char word[8];
};

v1::Value Doubled(const ping_event& event, Context&) { return UintValue(event.size * 2); }

constexpr auto kFields =
    FieldsOf<ping_event>(F<&ping_event::size>("size", "Bytes."), Hidden<&ping_event::code>(),
                         F<&ping_event::count>("count", "Pings folded into one."),
                         F<&ping_event::word>("word", "A word."),
                         Derived<&Doubled>("doubled", "Twice the size.", v1::Field::UINT),
                         Late("late", "What takes time.", v1::Field::TEXT),
                         Late("later", "What takes longer.", v1::Field::TEXT));

// code 1: the completion hangs until this opens.
std::mutex gate_mutex;
std::condition_variable gate_changed;
bool gate_open = false;

void Complete(const void* record, Completion& completion) {
  const auto& event = *static_cast<const ping_event*>(record);
  completion.Set("late", TextValue("in time"));
  if (event.code == 1) {
    std::unique_lock lock(gate_mutex);
    gate_changed.wait(lock, [] { return gate_open; });
  }
  completion.Set("later", TextValue("too"));
}

bool Fold(void* first, const void* next) {
  auto& into = *static_cast<ping_event*>(first);
  const auto& from = *static_cast<const ping_event*>(next);
  if (into.size != from.size) return false;
  into.count += from.count;
  return true;
}

constexpr EventType kEvents[] = {{.name = "ping",
                                  .help = "A ping.",
                                  .fields = kFields,
                                  .record_bytes = sizeof(ping_event),
                                  .complete = &Complete,
                                  .deadline = std::chrono::milliseconds(200),
                                  .fold_window = std::chrono::milliseconds(1),
                                  .fold = &Fold}};
constexpr Unit kPing = {.name = "ping", .help = "Pings.", .events = kEvents};
constexpr const Unit* kUnits[] = {&kPing};

struct Chain {
  Chain() {
    clock.wall_ns = 1'000'000'000'000;
    clock.boot_ns = 500;
    context.Add(7, "c7", "seven");
    hooks.ship = [this](v1::Event event) {
      event.clear_tracer_id();
      shipped.push_back(std::move(event));
    };
    hooks.lost = [this](uint16_t, uint32_t) { return lost; };
    hooks.task = [](uint32_t instance) -> std::optional<std::string> {
      if (instance == 9) return std::nullopt;
      return instance == 0 ? "" : "t" + std::to_string(instance);
    };
  }

  Pipeline& Make() {
    completer.emplace(root, context, [] {});
    return pipeline.emplace(kUnits, decoder, *completer, event_counts, window, hooks);
  }

  std::string Json(size_t i) const {
    return TracerData(MakeCatalog(kUnits).units(0).events(0), shipped.at(i));
  }

  const Root root;
  ManualClock clock;
  FakeContext context;
  Decoder decoder{kUnits, context, clock};
  EventCounts event_counts{kUnits};
  std::chrono::milliseconds window{0};
  Pipeline::Hooks hooks;
  uint64_t lost = 0;
  std::vector<v1::Event> shipped;
  std::optional<Completer> completer;
  std::optional<Pipeline> pipeline;
};

ping_event Ping(uint64_t size, int32_t code = 0) {
  ping_event event{};
  event.header = {.time_ns = 100,
                  .cgroup = {7, 0, 0},
                  .tgid = 41,
                  .tid = 42,
                  .cpu = 3,
                  .instance = 0,
                  .unit = 0,
                  .record = 0,
                  .size = sizeof(event),
                  .comm = "sh"};
  event.size = size;
  event.code = code;
  event.count = 1;
  std::memcpy(event.word, "12345678", 8);  // full: no NUL
  return event;
}

std::span<const std::byte> Bytes(const ping_event& event) {
  return std::as_bytes(std::span(&event, 1));
}

void OpenGate() {
  const std::lock_guard lock(gate_mutex);
  gate_open = true;
  gate_changed.notify_all();
}

// Turns until `count` events are shipped; each turn says how long it may wait.
void TurnUntil(Chain& chain, size_t count) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (chain.shipped.size() < count && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(std::min(chain.pipeline->Turn(), std::chrono::milliseconds(2)));
  }
  REQUIRE(chain.shipped.size() == count);
}

TEST_CASE("a record becomes an event with header, derived and late fields") {
  Chain chain;
  chain.Make().OnRecord(Bytes(Ping(5)));
  TurnUntil(chain, 1);
  CHECK(chain.Json(0) ==
        R"({"comm":"sh","pid":41,"tid":42,"cpu":3,"cgroup_id":"7","size":5,"count":1,)"
        R"("word":"12345678","doubled":10,"late":"in time","later":"too"})");
  CHECK(chain.shipped[0].time_ns() == 1'000'000'000'000 - 400);
  CHECK(chain.shipped[0].subjects_size() == 1);
  CHECK(chain.shipped[0].subjects(0).container().hostname() == "seven");
}

TEST_CASE("records of one trigger fold into one, others do not") {
  Chain chain;
  Pipeline& pipeline = chain.Make();
  for (const uint64_t size : {5, 5, 6, 5}) pipeline.OnRecord(Bytes(Ping(size)));
  TurnUntil(chain, 2);
  CHECK(chain.Json(0).find(R"("size":5,"count":3)") != std::string::npos);
  CHECK(chain.Json(1).find(R"("size":6,"count":1)") != std::string::npos);
  CHECK(pipeline.counts().folded == 2);
  CHECK(chain.event_counts.Node(0).events == 4);
  CHECK(chain.event_counts.Node(0).folded == 2);
  std::string containers;
  chain.event_counts.EachContainer([&](uint16_t, const v1::Container& container, uint64_t events) {
    containers += fmt::format("{} {};", container.id(), events);
  });
  CHECK(containers == "c7 4;");
}

TEST_CASE("events of a task are not counted a second time") {
  Chain chain;
  Pipeline& pipeline = chain.Make();
  ping_event event = Ping(1);
  event.header.instance = 4;
  pipeline.OnRecord(Bytes(event));
  pipeline.OnRecord(Bytes(event));
  pipeline.Flush();
  CHECK(chain.event_counts.Node(0).events == 0);
}

TEST_CASE("a completion that is late is left behind and named") {
  gate_open = false;
  Chain chain;
  Pipeline& pipeline = chain.Make();
  pipeline.OnRecord(Bytes(Ping(5, 1)));
  TurnUntil(chain, 1);
  CHECK(chain.Json(0).find(R"("late":"in time","later":null,"incomplete":["later"])") !=
        std::string::npos);
  CHECK(pipeline.counts().late == 1);
  OpenGate();
}

TEST_CASE("a record made in user space is completed too, and taped when it is whole") {
  Chain chain;
  std::string taped;
  chain.hooks.tap_event = [&](const v1::Event& event) {
    taped = TracerData(MakeCatalog(kUnits).units(0).events(0), event);
  };
  Pipeline& pipeline = chain.Make();
  OpenRequest from;
  from.unit = &kPing;
  pipeline.Emit(from, 0, std::make_shared<const ping_event>(Ping(5)));
  TurnUntil(chain, 1);
  CHECK(chain.Json(0).find(R"("doubled":10,"late":"in time","later":"too"})") != std::string::npos);
  CHECK(taped == chain.Json(0));
}

TEST_CASE("losses are told with the next event, once") {
  Chain chain;
  Pipeline& pipeline = chain.Make();
  chain.lost = 3;
  pipeline.OnRecord(Bytes(Ping(1)));
  TurnUntil(chain, 1);
  pipeline.OnRecord(Bytes(Ping(2)));
  TurnUntil(chain, 2);
  chain.lost = 5;
  pipeline.OnRecord(Bytes(Ping(3)));
  TurnUntil(chain, 3);
  CHECK(chain.shipped[0].lost_before() == 3);
  CHECK(chain.shipped[1].lost_before() == 0);
  CHECK(chain.shipped[2].lost_before() == 2);
}

TEST_CASE("an instance's task goes with its events; a closed one's are counted") {
  Chain chain;
  Pipeline& pipeline = chain.Make();
  ping_event event = Ping(1);
  event.header.instance = 4;
  pipeline.OnRecord(Bytes(event));
  TurnUntil(chain, 1);
  CHECK(chain.shipped[0].task_id() == "t4");
  event.header.instance = 9;
  pipeline.OnRecord(Bytes(event));
  pipeline.Flush();
  pipeline.Flush();
  CHECK(chain.shipped.size() == 1);
  CHECK(pipeline.counts().closed == 1);
}

TEST_CASE("bytes that are no record are counted and go nowhere") {
  Chain chain;
  Pipeline& pipeline = chain.Make();
  ping_event event = Ping(1);
  pipeline.OnRecord(Bytes(event).first(sizeof(event) - 1));
  pipeline.OnRecord(Bytes(event).first(8));
  event.header.unit = 1;
  pipeline.OnRecord(Bytes(event));
  event.header.unit = 0;
  event.header.record = 1;
  pipeline.OnRecord(Bytes(event));
  pipeline.Flush();
  CHECK(chain.shipped.empty());
  CHECK(pipeline.counts().malformed == 4);
}

std::string TempFile() {
  char path[] = "/tmp/recording.XXXXXX";
  close(mkstemp(path));
  return path;
}

TEST_CASE("a recording replays to the same events, whatever the order of the catalog") {
  const std::string path = TempFile();
  {
    auto writer = RecordingWriter::Create(path, MakeCatalog(kUnits));
    REQUIRE(writer.ok());
    (*writer)->Record(Bytes(Ping(5)));
  }
  static constexpr Unit kOther = {.name = "other", .help = "Another."};
  static constexpr const Unit* kLaterUnits[] = {&kOther, &kPing};
  std::vector<uint16_t> units;
  const auto skipped =
      Replay(path, MakeCatalog(kLaterUnits),
             {[&](std::span<const std::byte> r) {
                units.push_back(reinterpret_cast<const event_header*>(r.data())->unit);
              },
              [](const v1::Event&) {}});
  REQUIRE(skipped.ok());
  CHECK(*skipped == 0);
  CHECK(units == std::vector<uint16_t>{1});
  static constexpr const Unit* kForeign[] = {&kOther};
  const auto foreign = Replay(path, MakeCatalog(kForeign),
                              {[](std::span<const std::byte>) {}, [](const v1::Event&) {}});
  CHECK(*foreign == 1);
  unlink(path.c_str());
}

TEST_CASE("profiles are replayed when today's catalog has their unit") {
  const std::string path = TempFile();
  {
    auto writer = RecordingWriter::Create(path, MakeCatalog(kUnits));
    REQUIRE(writer.ok());
    v1::Profile profile;
    profile.set_unit(std::string(kPing.name));
    profile.set_type("cpu");
    (*writer)->Profile(profile);
    profile.set_unit("gone");
    (*writer)->Profile(profile);
  }
  std::string replayed;
  const auto skipped =
      Replay(path, MakeCatalog(kUnits),
             {[](std::span<const std::byte>) {}, [](const v1::Event&) {},
              [&](const v1::Profile& profile) { replayed += profile.ShortDebugString(); }});
  REQUIRE(skipped.ok());
  CHECK(*skipped == 1);
  CHECK(replayed == "unit: \"" + std::string(kPing.name) + "\" type: \"cpu\"");
  unlink(path.c_str());
}

struct trap_event {
  event_header header;
  event_stack stack;
};
v1::Value Trace(const trap_event& event, Context& context) {
  return StackValue(event.stack, 0, context);
}
constexpr auto kTrapFields = FieldsOf<trap_event>(
    Derived<&Trace>("stack", "Where.", v1::Field::STACK), Hidden<&trap_event::stack>());
void Nothing(const void*, Completion&) {}
constexpr EventType kTrapEvents[] = {
    {.name = "trap", .help = "A trap.", .fields = kTrapFields, .record_bytes = sizeof(trap_event)},
    {.name = "trap_later",
     .help = "One that is completed.",
     .fields = kTrapFields,
     .record_bytes = sizeof(trap_event),
     .complete = &Nothing}};
constexpr Unit kTrap = {.name = "trap", .help = "Traps.", .events = kTrapEvents};
constexpr const Unit* kTraps[] = {&kTrap};

TEST_CASE("what has a stack is recorded with its symbols, not as bytes") {
  const uint16_t type = GENERATE(0, 1);
  Chain chain;
  int records = 0;
  std::vector<v1::Event> events;
  chain.hooks.tap_record = [&](std::span<const std::byte>) { ++records; };
  chain.hooks.tap_event = [&](const v1::Event& event) { events.push_back(event); };
  const Decoder decoder(kTraps, chain.context, chain.clock);
  Completer completer(chain.root, chain.context, [] {});
  EventCounts event_counts(kTraps);
  Pipeline pipeline(kTraps, decoder, completer, event_counts, {}, chain.hooks);
  trap_event event{};
  event.header.size = sizeof(event);
  event.header.record = type;
  event.stack.frame[0] = 0xabc;
  pipeline.OnRecord(std::as_bytes(std::span(&event, 1)));
  pipeline.Flush();
  CHECK(records == 0);
  REQUIRE(events.size() == 1);
  CHECK(events[0].values(events[0].values_size() - 1).stack().frames(0).address() == 0xabc);
}

TEST_CASE("a file that is no recording is refused with the offset") {
  const std::string path = TempFile();
  const auto refusal = [&](std::string_view content) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    std::fwrite(content.data(), 1, content.size(), file);
    std::fclose(file);
    const auto result = Replay(path, MakeCatalog(kUnits),
                               {[](std::span<const std::byte>) {}, [](const v1::Event&) {}});
    return result.ok() ? "ok" : Message(result.status()).substr(path.size());
  };
  using std::string_view_literals::operator""sv;
  CHECK(refusal("") == ": at byte 0: not a recording");
  CHECK(refusal("HUATUOR1") == "ok");
  CHECK(refusal("HUATUOR1\x02\0\0\0\x01\0\0\0x"sv) ==
        ": at byte 8: no catalog before the first record");
  CHECK(refusal("HUATUOR1\x01\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0"sv) ==
        ": at byte 16: a frame of unknown kind 7");
  CHECK(refusal("HUATUOR1\x01\0\0\0\xff\xff\xff\xff"sv) == ": at byte 8: a frame of over 16 MiB");
  CHECK(refusal("HUATUOR1\x01\0\0\0\x09\0\0\0abc"sv) == "ok");  // interrupted: the normal end
  unlink(path.c_str());
}

}  // namespace
}  // namespace huatuo
