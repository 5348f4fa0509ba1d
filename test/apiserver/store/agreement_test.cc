// Stores that share what they were told must share what they answer: random events, random filters,
// many enough that every plan of the SQLite search is taken; and several threads at a time.
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "apiserver/store/memory_store.h"
#include "apiserver/store/postgres_store.h"
#include "apiserver/store/sqlite_store.h"
#include "test/apiserver/store/fixture.h"
#include "test/apiserver/store/postgres_server.h"

namespace huatuo {
namespace {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  // Below n; small numbers are frequent, so that names are common or rare.
  uint64_t Skewed(uint64_t n) { return (engine_() % n) * (engine_() % n) / n; }
  uint64_t Below(uint64_t n) { return engine_() % n; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

std::string ContainerId(uint64_t n) { return fmt::format("{:012x}{:052x}", n / 2, n); }

SubjectRow RandomSubject(Random& random) {
  const uint64_t n = random.Skewed(200);
  return {"",
          ContainerId(n),
          fmt::format("c{}", n % 5),
          fmt::format("ns{}", n % 7),
          fmt::format("pod{}", n % 50),
          fmt::format("uid{}", n % 50)};
}

EventRow RandomEvent(Random& random, uint64_t sequence) {
  EventRow event = MakeEvent("n", sequence);
  event.tracer_name = fmt::format("t{}", random.Skewed(9));
  if (random.OneIn(50)) event.task_id = fmt::format("task{}", random.Below(3));
  event.tracer_time_ns = static_cast<int64_t>(sequence * 10 + random.Below(5000));
  if (random.OneIn(100)) event.tracer_time_ns = static_cast<int64_t>(random.Below(100));
  for (uint64_t i = random.Below(3); i > 0; --i) event.subjects.push_back(RandomSubject(random));
  event.document = fmt::format(R"({{"fn":"Func_{:x}","pid":{},"é":"w{}"}})", random.Below(4000),
                               random.Skewed(3000), random.Skewed(30));
  return event;
}

EventFilter RandomFilter(Random& random, uint64_t events) {
  EventFilter f;
  if (random.OneIn(3)) f.tracer = fmt::format("t{}", random.Skewed(10));
  if (random.OneIn(5)) f.namespace_name = fmt::format("ns{}", random.Below(8));
  if (random.OneIn(8))
    f.pod = fmt::format("{}{}", random.OneIn(2) ? "pod" : "uid", random.Below(55));
  if (random.OneIn(8)) f.container = fmt::format("c{}", random.Below(6));
  if (random.OneIn(12))
    f.container = ContainerId(random.Skewed(200)).substr(0, 10 + random.Below(54));
  if (random.OneIn(12)) f.task_id = fmt::format("task{}", random.Below(4));
  if (random.OneIn(3)) f.from_ns = static_cast<int64_t>(random.Below(events * 10));
  if (random.OneIn(3)) f.to_ns = f.from_ns.value_or(0) + static_cast<int64_t>(random.Below(20000));
  if (random.OneIn(4)) f.text = fmt::format("func_{:x}", random.Below(4000));
  if (random.OneIn(8)) f.text += fmt::format(" W{}\"", random.Below(30));
  if (random.OneIn(12)) f.text += " é";
  if (random.OneIn(20)) f.text += fmt::format(" {}", random.Below(10));
  return f;
}

std::string Text(const EventFilter& f) {
  return fmt::format("tracer={} ns={} pod={} container={} task={} from={} to={} text={}", f.tracer,
                     f.namespace_name, f.pod, f.container, f.task_id, f.from_ns.value_or(-1),
                     f.to_ns.value_or(-1), f.text);
}

std::string Positions(const std::vector<StoredEvent>& rows) {
  std::string out;
  for (const StoredEvent& row : rows) out += fmt::format("{} ", row.position);
  return out;
}

// Both answer the same to `queries` random ones; returns how many had an answer.
int Compare(Store& truth, Store& other, Random& random, uint64_t events, int queries) {
  int answered = 0;
  for (int i = 0; i < queries; ++i) {
    const EventFilter filter = RandomFilter(random, events);
    const Order order = random.OneIn(2) ? Order::kNewestFirst : Order::kOldestFirst;
    const uint64_t after = random.OneIn(2) ? 0 : random.Below(events);
    const size_t limit = random.OneIn(3) ? 100000 : 1 + random.Below(50);
    const auto expected = Get(truth.Query(filter, order, after, limit));
    const auto found = Get(other.Query(filter, order, after, limit));
    INFO(Text(filter) << " after=" << after << " limit=" << limit);
    CHECK(Positions(found) == Positions(expected));
    const auto step = static_cast<int64_t>(1 + random.Below(30000));
    CHECK(Get(other.Count(filter, step)) == Get(truth.Count(filter, step)));
    answered += expected.empty() ? 0 : 1;
  }
  return answered;
}

// `writers` nodes append `each` events; one reader follows by position until it has seen them all.
void Follow(Store& store, int writers, uint64_t each) {
  std::atomic<int> failed = 0;
  EventFilter search;
  search.text = "ddd";
  std::vector<std::jthread> threads;
  threads.reserve(static_cast<size_t>(writers) + 1);
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&store, &failed, w, each] {
      for (uint64_t s = 0; s < each; s += 20) {
        const NodeCommit commit = MakeCommit(fmt::format("n{}", w), s + 1, s + 20, 300);
        if (!store.Append({&commit, 1}).ok()) ++failed;
      }
    });
  }
  threads.emplace_back([&store, &failed, &search](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto rows = store.Query(search, Order::kNewestFirst, 0, 10);
      if (!rows.ok()) ++failed;
    }
  });
  const uint64_t total = each * static_cast<uint64_t>(writers);
  std::set<std::string> seen;
  uint64_t after = 0;
  while (seen.size() < total && failed == 0) {
    const auto rows = Get(store.Query({}, Order::kOldestFirst, after, 37));
    for (const StoredEvent& row : rows) {
      REQUIRE(row.position > after);
      REQUIRE(seen.insert(row.row.tracer_id).second);
      after = row.position;
    }
  }
  CHECK(failed == 0);
  CHECK(seen.size() == total);
  CHECK(Get(store.Newest()) == after);
}

}  // namespace

TEST_CASE("memory and sqlite agree on random queries") {
  constexpr uint64_t kEvents = 24000;
  const TempDir folder;
  const auto sqlite = Get(SqliteStore::Open(folder / "store.db"));
  MemoryStore memory;
  Random random(20261121);
  for (uint64_t s = 0; s < kEvents; s += 1000) {
    NodeCommit commit{"n", "e", s + 1000, static_cast<int64_t>(s), {}, {}};
    for (uint64_t i = 1; i <= 1000; ++i) commit.events.push_back(RandomEvent(random, s + i));
    CHECK(Get(memory.Append({&commit, 1})) == Get(sqlite->Append({&commit, 1})));
  }
  int answered = Compare(memory, *sqlite, random, kEvents, 150);
  REQUIRE(sqlite->AwaitIndex().ok());
  answered += Compare(memory, *sqlite, random, kEvents, 300);
  CHECK(All(memory).size() == kEvents);
  CHECK(answered > 150);

  const Retention retention{static_cast<int64_t>(kEvents / 3), 0};
  const auto now_ns = static_cast<int64_t>(kEvents);
  CHECK(Get(memory.Prune(retention, now_ns)) == Get(sqlite->Prune(retention, now_ns)));
  Compare(memory, *sqlite, random, kEvents, 150);
}

TEST_CASE("[host] memory and postgres agree on random queries") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  constexpr uint64_t kEvents = 24000;
  constexpr int64_t kHour = 3'600'000'000'000;
  const auto postgres = Get(PostgresStore::Open(server->NewPlace()));
  MemoryStore memory;
  Random random(20261121);
  for (uint64_t s = 0; s < kEvents; s += 1000) {
    NodeCommit commit{"n", "e", s + 1000, static_cast<int64_t>(s / 200) * kHour, {}, {}};
    for (uint64_t i = 1; i <= 1000; ++i) commit.events.push_back(RandomEvent(random, s + i));
    CHECK(Get(memory.Append({&commit, 1})) == Get(postgres->Append({&commit, 1})));
  }
  CHECK(Compare(memory, *postgres, random, kEvents, 200) > 60);
  CHECK(All(memory).size() == kEvents);

  // Five days of uploads: two whole ones go, and a part of the third.
  const Retention retention{60 * kHour, 0};
  const int64_t now_ns = 115 * kHour;
  const uint64_t pruned = Get(memory.Prune(retention, now_ns));
  CHECK(pruned > 0);
  CHECK(Get(postgres->Prune(retention, now_ns)) == pruned);
  Compare(memory, *postgres, random, kEvents, 100);
}

TEST_CASE("whoever follows by position sees each row once") {
  MemoryStore memory;
  Follow(memory, 3, 3000);
  const TempDir folder;
  const auto sqlite = Get(SqliteStore::Open(folder / "store.db"));
  Follow(*sqlite, 3, 3000);
}

TEST_CASE("[host] whoever follows postgres by position sees each row once") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const auto postgres = Get(PostgresStore::Open(server->NewPlace()));
  Follow(*postgres, 3, 3000);
}

namespace {

void CheckEqualFields(Store& store) {
  MemoryStore memory;
  Random random(7);
  NodeCommit commit{"n", "e", 500, 5, {}, {}};
  for (uint64_t i = 1; i <= 500; ++i) commit.events.push_back(RandomEvent(random, i));
  CHECK(Get(store.Append({&commit, 1})) == Get(memory.Append({&commit, 1})));
  const auto rows = All(store);
  REQUIRE(rows.size() == 500);
  for (size_t i = 0; i < rows.size(); ++i) {
    CHECK((rows[i].row == commit.events[i] && rows[i].node == "n" && rows[i].uploaded_ns == 5));
  }
}

}  // namespace

TEST_CASE("rows read back are equal in every field") {
  const TempDir folder;
  CheckEqualFields(*Get(SqliteStore::Open(folder / "store.db")));
}

TEST_CASE("[host] rows read back from postgres are equal in every field") {
  PostgresServer* server = PostgresServer::Shared();
  if (server != nullptr) CheckEqualFields(*Get(PostgresStore::Open(server->NewPlace())));
}

}  // namespace huatuo
