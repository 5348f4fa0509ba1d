#include "collector/decode/repeats.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <thread>

#include "collector/decode/pipeline.h"
#include "test/collector/fake_context.h"

namespace huatuo {
namespace {

struct blip_event {
  event_header header;
  uint64_t where;
  uint64_t note;
};
constexpr auto kBlipFields = FieldsOf<blip_event>(F<&blip_event::where>("where", "Where."),
                                                  F<&blip_event::note>("note", "Not looked at."));
constexpr std::string_view kSame[] = {"where"};
constexpr EventType kBlipEvents[] = {{.name = "blip",
                                      .help = "A blip.",
                                      .fields = kBlipFields,
                                      .record_bytes = sizeof(blip_event),
                                      .same = kSame}};
constexpr Unit kBlip = {.name = "blip", .help = "Blips.", .events = kBlipEvents};
constexpr const Unit* kBlips[] = {&kBlip};

// Blips as they are shipped: "where/note", with a count and the last time if they have one.
struct BlipChain {
  explicit BlipChain(std::chrono::milliseconds window)
      : pipeline(kBlips, decoder, completer, counts, window, Hooks()) {
    context.Add(7, "c7", "seven");
  }

  Pipeline::Hooks Hooks() {
    Pipeline::Hooks hooks;
    hooks.ship = [this](v1::Event event) { shipped.push_back(std::move(event)); };
    hooks.lost = [](uint16_t, uint32_t) { return uint64_t{0}; };
    hooks.task = [](uint32_t instance) {
      return std::optional<std::string>(instance == 0 ? "" : "t");
    };
    return hooks;
  }

  void Send(uint64_t where, uint64_t note, uint64_t cgroup = 7, uint32_t instance = 0) {
    blip_event event{};
    event.header.time_ns = 100 + note;
    event.header.cgroup.id = cgroup;
    event.header.instance = instance;
    event.header.size = sizeof(event);
    event.where = where;
    event.note = note;
    pipeline.OnRecord(std::as_bytes(std::span(&event, 1)));
  }
  std::string Shipped() {
    std::string text;
    for (const v1::Event& event : shipped) {
      const int last = event.values_size() - 1;
      text += fmt::format("{}/{}", event.values(last - 1).uint(), event.values(last).uint());
      if (event.repeated() > 0) {
        text += fmt::format("x{} +{}", event.repeated(), event.last_time_ns() - event.time_ns());
      }
      text += "; ";
    }
    shipped.clear();
    return text;
  }

  const Root root;
  ManualClock clock;
  FakeContext context;
  std::vector<v1::Event> shipped;
  const Decoder decoder{kBlips, context, clock};
  Completer completer{root, context, [] {}};
  EventCounts counts{kBlips};
  Pipeline pipeline;
};

TEST_CASE("what repeats itself goes at once, then as one with a count") {
  BlipChain chain(std::chrono::hours(1));
  for (const uint64_t note : {1, 2, 3, 4}) chain.Send(5, note);
  chain.Send(6, 5);
  chain.Send(6, 6);
  CHECK(chain.Shipped() == "5/1; 6/5; ");
  chain.pipeline.Flush();
  CHECK(chain.Shipped() == "5/2x3 +2; 6/6; ");
  CHECK(chain.counts.Node(0).events == 6);
  CHECK(chain.counts.Node(0).folded == 2);
  CHECK(chain.pipeline.counts().events + chain.pipeline.counts().folded == 6);
}

TEST_CASE("a storm yields one event a window, and begins anew after a window without") {
  Repeats repeats(kBlips, std::chrono::seconds(10));
  const Repeats::Time start{std::chrono::hours(1)};
  const auto after = [&](int seconds) { return start + std::chrono::seconds(seconds); };
  const auto take = [&](int64_t time, int seconds) {
    v1::Event event;
    for (int i = 0; i < 7; ++i) event.add_values()->set_uint(i);
    event.set_time_ns(time);
    return repeats.Take(event, after(seconds));
  };
  const auto release = [&](int seconds) {
    std::string text;
    for (const v1::Event& event : repeats.Release(after(seconds))) {
      text += fmt::format("{}x{};", event.time_ns(), event.repeated());
    }
    return text;
  };
  CHECK(take(1, 0) == Repeats::Fate::kShip);
  CHECK(take(2, 9) == Repeats::Fate::kHeld);
  CHECK(take(3, 9) == Repeats::Fate::kFolded);
  CHECK(release(9) == "");
  CHECK(release(10) == "2x2;");
  CHECK(take(4, 11) == Repeats::Fate::kHeld);
  CHECK(release(20) == "4x0;");
  CHECK(release(30) == "");
  CHECK(repeats.due() == Repeats::Time::max());
  CHECK(take(5, 31) == Repeats::Fate::kShip);
}

TEST_CASE("the pipeline turns when what is held is due") {
  BlipChain chain(std::chrono::milliseconds(1));
  chain.Send(5, 1);
  chain.Send(5, 2);
  CHECK(chain.Shipped() == "5/1; ");
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (chain.shipped.empty() && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(std::min(chain.pipeline.Turn(), std::chrono::milliseconds(2)));
  }
  CHECK(chain.Shipped() == "5/2; ");
}

TEST_CASE("what differs in container, field or instance is not the same") {
  BlipChain chain(std::chrono::hours(1));
  chain.Send(5, 1);
  chain.Send(5, 2, 8);     // a cgroup of no container
  chain.Send(5, 3, 7, 4);  // a task sees each
  chain.Send(5, 4, 7, 4);
  CHECK(chain.Shipped() == "5/1; 5/2; 5/3; 5/4; ");
  chain.pipeline.Flush();
  CHECK(chain.Shipped() == "");
}

TEST_CASE("no more than a table's worth is watched for repetitions") {
  BlipChain chain(std::chrono::hours(1));
  for (uint64_t where = 0; where < Repeats::kMax + 1; ++where) chain.Send(where, 1);
  chain.Shipped();
  chain.Send(Repeats::kMax, 2);
  chain.Send(0, 2);
  CHECK(chain.Shipped() == fmt::format("{}/2; ", Repeats::kMax));
}

}  // namespace
}  // namespace huatuo
