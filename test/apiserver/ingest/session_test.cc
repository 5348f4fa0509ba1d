#include "apiserver/ingest/session.h"

#include <chrono>
#include <thread>

#include "test/apiserver/ingest/fixture.h"

namespace huatuo {
namespace {

TEST_CASE("a first stream: hello, catalog, entries, ack after the commit") {
  Bench bench;
  Node node(bench);
  CHECK(node.Say(HelloMessage(TestHello())) == "read");
  CHECK(node.Heard() == "welcome { catalog_needed: true fencing: 1 }\n");
  CHECK(node.Say(CatalogMessage()) == "read");
  CHECK(node.Heard() == "catalog_reply { }\n");
  CHECK(node.Say(Events(1, 3)) == "read");
  CHECK(node.Await("ack") == "ack { sequence: 3 }\n");
  CHECK(bench.Stored() == "a 1 oom\na 2 oom\na 3 oom\n");
  const NodeState state = *bench.nodes.Find("a");
  CHECK(state.connected);
  CHECK(state.high_water == 3);
  CHECK(state.events == 3);
  CHECK(bench.Own("huatuo_apiserver_events_total", "stored") == 3);
  // The writer tells its readers after it has answered.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (bench.committed.version() == 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  CHECK(bench.committed.version() == 1);
}

TEST_CASE("a stream goes on where the store is; the catalog is known by its hash") {
  Bench bench;
  {
    Node node(bench);
    node.Join();
    node.Say(Events(1, 3));
    node.Await("sequence: 3");
  }
  // The writer's thread may hold the session for as long as it tells it of the commit.
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (bench.nodes.Find("a")->connected && std::chrono::steady_clock::now() < limit) {
    std::this_thread::yield();
  }
  CHECK_FALSE(bench.nodes.Find("a")->connected);
  Node node(bench);
  CHECK(node.Say(HelloMessage(TestHello())) == "read");
  CHECK(node.Heard() == "welcome { high_water: 3 fencing: 2 }\ncatalog_reply { }\n");
  CHECK(node.Say(Events(4, 5)) == "read");
  node.Await("sequence: 5");
  CHECK(bench.Stored() == "a 1 oom\na 2 oom\na 3 oom\na 4 oom\na 5 oom\n");
}

TEST_CASE("news of a node: connected, what it runs, what it answers, gone; and it can be told") {
  Bench bench;
  std::string news;
  bench.nodes.Listen(&news, [&news](const NodeNews& one) {
    constexpr std::string_view kKinds[] = {"connected", "disconnected", "status", "reply"};
    news += std::string(kKinds[static_cast<size_t>(one.kind)]) + " " + one.node;
    for (const std::string& task : one.tasks) news += " " + task;
    news += " " + one.reply.ShortDebugString() + "\n";
  });
  const v1::ToNode close = Parse<v1::ToNode>(R"(close_instance { task_id: "t1" })");
  CHECK_FALSE(bench.nodes.Tell("a", close));
  Node older(bench);
  CHECK(older.Say(HelloMessage(TestHello())) == "read");
  CHECK(news.empty());
  CHECK(older.Say(CatalogMessage()) == "read");
  older.Heard();
  CHECK(bench.nodes.Tell("a", close));
  CHECK(older.Heard() == "close_instance { task_id: \"t1\" }\n");
  older.Say(Parse<v1::FromNode>(R"(status {
    units { unit: "oom" instance: "always" } units { unit: "oom" instance: "task:t1" } })"));
  older.Say(Parse<v1::FromNode>(R"(instance_reply { task_id: "t1" running: true })"));
  Node newer(bench);
  newer.Join();
  // What the older one still says is not heard, nor is its end.
  older.Say(Parse<v1::FromNode>(R"(instance_reply { task_id: "t2" running: true })"));
  older.session.reset();
  newer.session.reset();
  CHECK(news ==
        "connected a \nstatus a t1 \nreply a task_id: \"t1\" running: true\n"
        "connected a \ndisconnected a \n");
}

TEST_CASE("the newest stream of a node wins and the older one is told why") {
  Bench bench;
  Node older(bench);
  older.Join();
  Node newer(bench);
  newer.Join();
  CHECK(older.Heard() == "end: ABORTED: node a: a newer stream of it has begun\n");
  CHECK(older.Say(Events(1, 1)) == "ABORTED: entries: node a: a newer stream of it has begun");
  CHECK(newer.Say(Events(1, 1)) == "read");
  newer.Await("sequence: 1");
  CHECK(bench.Own("huatuo_apiserver_streams_refused_total", "fenced") == 1);
  older.session.reset();
  CHECK(bench.nodes.Find("a")->connected);
}

TEST_CASE("20 reconnects in the middle of a batch: everything is stored once") {
  Bench bench;
  uint64_t sent = 0;
  for (int i = 0; i < 20; ++i) {
    Node node(bench);
    const uint64_t known = node.Join();
    sent = std::max(sent, known + 37);
    // The stream ends before the ack: what was on its way may or may not be stored already.
    REQUIRE(node.Say(Events(known + 1, sent)) == "read");
  }
  Node node(bench);
  const uint64_t known = node.Join();
  REQUIRE(node.Say(Events(known + 1, sent + 1)) == "read");
  node.Await("sequence: " + std::to_string(sent + 1));
  std::string expected;
  for (uint64_t i = 1; i <= sent + 1; ++i) expected += "a " + std::to_string(i) + " oom\n";
  CHECK(bench.Stored() == expected);
  CHECK(bench.nodes.Find("a")->events == sent + 1);
}

TEST_CASE("a new epoch begins with its own mark") {
  Bench bench;
  Node node(bench);
  node.Join();
  node.Say(Events(1, 3));
  node.Await("sequence: 3");
  v1::Hello hello = TestHello();
  hello.set_epoch("fedcba9876543210");
  Node later(bench);
  CHECK(later.Join(hello) == 0);
  CHECK(bench.nodes.Find("a")->high_water == 0);
  later.Say(Events(1, 1, "later"));
  later.Await("sequence: 1");
  CHECK(bench.Stored() == "a 1 oom\na 2 oom\na 3 oom\na 1 oom\n");
  CHECK(bench.nodes.Find("a")->high_water == 1);
}

TEST_CASE("a store that refuses: nothing is acked, the node is told, then all of it") {
  Bench bench;
  Node node(bench);
  node.Join();
  bench.appender.Refuse(Unavailable("disk full"));
  CHECK(node.Say(Events(1, 2)) == "read");
  bench.appender.AwaitAttempts(3);
  CHECK(node.Heard().empty());
  CHECK(node.Say(Events(3, 4)) == "read");
  CHECK(node.Heard() ==
        "slow_down { entries_per_second: 1 reason: \"the store refuses: disk full\" }\n");
  bench.clock.boot_ns += 11'000'000'000;
  CHECK(bench.writer->Stalled(bench.clock.boot_ns) ==
        "events have waited 11 s for the store: disk full");
  bench.appender.Refuse(absl::OkStatus());
  const std::string heard = node.Await("keeps up") + node.Heard();
  CHECK(heard.find("slow_down { reason: \"the store keeps up\" }") != std::string::npos);
  Node again(bench);
  CHECK(bench.writer->Stalled(bench.clock.boot_ns) == std::nullopt);
  again.Say(Events(again.Join() + 1, 5));
  again.Await("sequence: 5");
  CHECK(bench.Stored() == "a 1 oom\na 2 oom\na 3 oom\na 4 oom\na 5 oom\n");
}

TEST_CASE("a full queue pauses the stream until there is room") {
  Bench bench({.max_queue_bytes = 4000,
               .first_pause = std::chrono::milliseconds(1),
               .longest_pause = std::chrono::milliseconds(4)});
  Node node(bench);
  node.Join();
  bench.appender.Refuse(Unavailable("locked"));
  CHECK(node.Say(Events(1, 20)) == "pause");
  CHECK(bench.Own("huatuo_apiserver_commit_queue_bytes") >= 4000);
  bench.appender.Refuse(absl::OkStatus());
  node.Await("resume");
  CHECK(bench.Own("huatuo_apiserver_commit_queue_bytes") == 0);
}

TEST_CASE("a store that cannot be read refuses the stream, not the message") {
  Bench bench;
  bench.appender.Unreadable(Unavailable("locked"));
  Node node(bench);
  CHECK(node.Say(HelloMessage(TestHello())) == "UNAVAILABLE: hello: locked");
  CHECK(bench.Own("huatuo_apiserver_streams_refused_total", "store") == 1);
  CHECK(bench.nodes.List().empty());
}

TEST_CASE("what can never be stored is rejected and acked") {
  Bench bench;
  bench.appender.poison = "netdev_events";
  Node node(bench);
  node.Join();
  v1::FromNode message = Events(1, 4);
  message.mutable_entries()->mutable_entries(1)->mutable_event()->clear_values();
  message.mutable_entries()->mutable_entries(1)->mutable_event()->set_unit(1);
  v1::Event& infinite = *message.mutable_entries()->mutable_entries(2)->mutable_event();
  infinite.add_values()->set_number(1.0 / 0.0);
  CHECK(node.Say(message) == "read");
  node.Await("ack { sequence: 4 }");
  CHECK(bench.Stored() == "a 1 oom\na 4 oom\n");
  CHECK(bench.Rejected() == "3 oom: a number that is not finite\n2 poison: not storable\n");
  CHECK(bench.nodes.Find("a")->rejected == 2);
  CHECK(bench.nodes.Find("a")->events == 2);
}

TEST_CASE("a unit that contradicts the cluster's is refused for that node, visibly") {
  Bench bench;
  Node first(bench);
  first.Join();
  v1::Catalog other = TestCatalog();
  other.mutable_units(0)->mutable_events(0)->mutable_fields(0)->set_type(v1::Field::TEXT);
  Node second(bench);
  second.Say(HelloMessage(TestHello("b", other)));
  second.Heard();
  CHECK(second.Say(CatalogMessage(other)) == "read");
  CHECK(second.Heard() ==
        "catalog_reply { refused { unit: \"oom\" reason: \"event oom: field victim_pid is TEXT, "
        "elsewhere UINT\" } }\n");
  v1::FromNode message = Events(1, 1);
  message.mutable_entries()->mutable_entries(0)->mutable_event()->mutable_values(0)->set_text("x");
  v1::Entry& netdev = *message.mutable_entries()->add_entries();
  netdev = Parse<v1::Entry>("sequence: 2 event { unit: 1 values { text: \"eth0\" } }");
  netdev.mutable_event()->set_tracer_id("fedcba9876543210");
  CHECK(second.Say(message) == "read");
  second.Await("sequence: 2");
  CHECK(bench.Stored() == "b 2 netdev_events\n");
  const auto rows = bench.store.Rejected("b", 10);
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 1);
  CHECK(rows->at(0).reason ==
        "unit oom is refused: event oom: field victim_pid is TEXT, elsewhere UINT");
  CHECK(bench.nodes.Find("b")->refused_units.size() == 1);
  second.Say(Parse<v1::FromNode>("metrics { announce { id: 1 } samples { ids: 1 values: 1 } }"));
  CHECK(bench.series.counts().series == 0);
  CHECK(bench.series.counts().muted == 1);
}

TEST_CASE("status, metrics and replies reach those who read them") {
  Bench bench;
  Node node(bench);
  node.Join();
  CHECK(node.Say(Parse<v1::FromNode>("status { rss_bytes: 7 }")) == "read");
  CHECK(bench.nodes.Find("a")->status.rss_bytes() == 7);
  CHECK(node.Say(Parse<v1::FromNode>(
            "metrics { announce { id: 1 } samples { time_ns: 9 ids: 1 values: 3 } }")) == "read");
  CHECK(bench.series.counts().samples == 1);
  node.session.reset();
  bench.clock.boot_ns += 60'000'000'000;
  bench.series.Sweep();
  CHECK(bench.series.counts().series == 0);
}

TEST_CASE("a node of 1970 is served like any other, and its clock is told") {
  Bench bench;
  bench.clock.wall_ns = 1'800'000'000'000'000'000;
  Node node(bench);
  node.Join();
  node.Say(Events(1, 1));
  node.Await("sequence: 1");
  CHECK(bench.nodes.Find("a")->clock_skew_ns == -1'800'000'000'000'000'000);
  CHECK(bench.Stored() == "a 1 oom\n");
}

}  // namespace
}  // namespace huatuo
