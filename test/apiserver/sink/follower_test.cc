// What a sink gets, in which order, and what is counted.
#include "apiserver/sink/follower.h"

#include "apiserver/store/memory_store.h"
#include "test/apiserver/store/fixture.h"

namespace huatuo {
namespace {

// What all sinks of a test have been given; some deliveries fail.
struct Far {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<StoredEvent> events;
  int attempts = 0;
  int failing = 0;  // so many of the next deliveries

  // Waits until so many events have come.
  std::string Await(size_t count) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, std::chrono::seconds(20), [&] { return events.size() >= count; });
    return Sequences(events);
  }
};

class FarSink : public Sink {
 public:
  explicit FarSink(Far& far) : far_(far) {}
  std::string_view name() const override { return "far"; }
  absl::StatusOr<uint64_t> Deliver(std::span<const StoredEvent> events) override {
    const std::lock_guard lock(far_.mutex);
    ++far_.attempts;
    if (far_.failing > 0) {
      --far_.failing;
      far_.changed.notify_all();
      return Unavailable("far away");
    }
    far_.events.insert(far_.events.end(), events.begin(), events.end());
    far_.changed.notify_all();
    return 0;
  }

 private:
  Far& far_;
};

struct Bed {
  MemoryStore store;
  CommitSignal commits;
  prometheus::Registry registry;
  SinkMetrics metrics{registry};
  Far far;

  void Append(uint64_t first, uint64_t last) {
    const NodeCommit commit = MakeCommit("n", first, last);
    Get(store.Append({&commit, 1}));
    commits.Notify();
  }

  std::unique_ptr<SinkFollower> Follow() {
    FollowerOptions options;
    options.batch_events = 7;
    options.first_pause = std::chrono::milliseconds(1);
    return Get(SinkFollower::Start({store, store, commits, metrics}, std::make_unique<FarSink>(far),
                                   options));
  }

  // "name{cause}=value" of what is not 0.
  std::string Counted() {
    std::string out;
    for (const auto& family : registry.Collect()) {
      if (family.type != prometheus::MetricType::Counter) continue;
      for (const auto& metric : family.metric) {
        if (metric.counter.value == 0) continue;
        std::string cause;
        for (const auto& label : metric.label) {
          if (label.name == "cause") cause = label.value;
        }
        out += fmt::format("{}{{{}}}={} ", family.name.substr(22), cause, metric.counter.value);
      }
    }
    return out;
  }
};

}  // namespace

TEST_CASE("a new sink gets what is committed from then on, once and in order") {
  Bed bed;
  bed.Append(1, 10);
  auto follower = bed.Follow();
  bed.Append(11, 40);
  CHECK(bed.far.Await(30) == "30 events, 11 to 40");
  follower.reset();
  CHECK(bed.Counted() == "delivered_events_total{}=30 ");
}

TEST_CASE("a sink that was away goes on where it was") {
  Bed bed;
  bed.Follow().reset();
  bed.Append(1, 10);
  auto follower = bed.Follow();
  CHECK(bed.far.Await(10) == "10 events, 1 to 10");
  follower.reset();
  bed.Append(11, 12);
  follower = bed.Follow();
  CHECK(bed.far.Await(12) == "12 events, 1 to 12");
}

TEST_CASE("a delivery that fails is tried again, and counted") {
  Bed bed;
  bed.far.failing = 3;
  auto follower = bed.Follow();
  bed.Append(1, 5);
  CHECK(bed.far.Await(5) == "5 events, 1 to 5");
  follower.reset();
  CHECK(bed.far.attempts == 4);
  CHECK(bed.Counted() == "delivered_events_total{}=5 failures_total{}=3 ");
}

TEST_CASE("what retention took while a sink was away is counted as lost to it") {
  Bed bed;
  bed.Follow().reset();
  bed.Append(1, 10);
  Get(bed.store.Prune({.max_age_ns = 1, .max_bytes = 0}, 100));
  NodeCommit commit = MakeCommit("n", 11, 12);
  commit.uploaded_ns = 100;
  Get(bed.store.Append({&commit, 1}));
  auto follower = bed.Follow();
  bed.far.Await(2);
  follower.reset();
  CHECK(bed.Counted() == "delivered_events_total{}=2 lost_events_total{retention}=10 ");
}

TEST_CASE("a position that is none is refused") {
  Bed bed;
  REQUIRE(bed.store.Put("sink", "far", "12x").ok());
  const auto follower = SinkFollower::Start({bed.store, bed.store, bed.commits, bed.metrics},
                                            std::make_unique<FarSink>(bed.far));
  CHECK(Message(follower.status()) == "position of sink far: \"12x\": not a number");
}

}  // namespace huatuo
