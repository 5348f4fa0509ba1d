// Replicas against a real PostgreSQL: each Side is what a process has of its own.
#include "apiserver/replica/replicas.h"

#include <google/protobuf/text_format.h>

#include <chrono>
#include <thread>

#include "apiserver/store/postgres_store.h"
#include "common/id.h"
#include "test/apiserver/store/postgres_server.h"

namespace huatuo {
namespace {

constexpr std::chrono::seconds kPatience(20);

bool Eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

v1::Hello HelloOf(const std::string& node, const std::string& host = "host") {
  v1::Hello hello;
  hello.set_protocol(1);
  hello.set_node(node);
  hello.set_epoch(std::string(16, 'e'));
  hello.set_hostname(host);
  hello.set_boot_id("boot");
  hello.set_catalog_sha256(Sha256(""));
  return hello;
}

struct Side {
  Side(const std::string& name, const PostgresOptions& place)
      : store(Get(PostgresStore::Open(place))), nodes(Clock::Real(), *store) {
    // The catalog that no unit is in.
    REQUIRE(store->Put("catalog", Hex(Sha256("")), "").ok());
    ReplicaOptions options;
    options.name = name;
    options.postgres = place;
    options.look = std::chrono::milliseconds(100);
    replicas = Get(Replicas::Start(options, {nodes, series, events, tasks, [] {}, registry}));
  }

  // A stream begins, as a session lets it.
  uint64_t Connect(const v1::Hello& hello, const std::string& collector) {
    const uint64_t claim = Get(replicas->Take(hello, collector));
    nodes.Connect(
        hello,
        [this](const v1::ToNode& message) {
          told = message.ShortDebugString();
          v1::ParameterReply reply;
          reply.set_request_id(message.set_parameters().request_id());
          reply.set_accepted(true);
          reply.set_reason("by " + replicas->name());
          nodes.OnReply(reply);
        },
        [this] { fenced = true; });
    REQUIRE(nodes.Flush().ok());
    return claim;
  }
  std::string Refusal(const v1::Hello& hello, const std::string& collector) {
    const auto claim = replicas->Take(hello, collector);
    return claim.ok() ? "taken" : claim.status().ToString();
  }
  // "a*! b": by age; * is who answers, ! has the turn.
  std::string Peers() const {
    std::string text;
    for (const Replicas::Peer& peer : replicas->List()) {
      text += (text.empty() ? "" : " ") + peer.row.name + (peer.self ? "*" : "") +
              (peer.turn ? "!" : "");
    }
    return text;
  }
  std::string Holder(const std::string& node) const {
    const auto state = nodes.Find(node);
    if (!state) return "unknown";
    return state->connected ? state->replica + (state->here ? " here" : "") : "nobody";
  }

  std::unique_ptr<PostgresStore> store;
  Nodes nodes;
  SeriesTable series{Clock::Real(), 100};
  CommitSignal events;
  CommitSignal tasks;
  prometheus::Registry registry;
  std::string told;
  std::atomic<bool> fenced = false;
  std::unique_ptr<Replicas> replicas;
};

}  // namespace

TEST_CASE("replicas know each other; the oldest has the turn; who leaves is gone at once") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const PostgresOptions place = server->NewPlace();
  auto a = std::make_unique<Side>("a", place);
  Side b("b", place);
  REQUIRE(Eventually([&] { return a->Peers() == "a*! b" && b.Peers() == "a! b*"; }));
  CHECK(a->replicas->turn());
  CHECK_FALSE(b.replicas->turn());
  a.reset();
  REQUIRE(Eventually([&] { return b.Peers() == "b*!"; }));
  CHECK(b.replicas->turn());
}

TEST_CASE("a node moves with its collector; the older stream ends") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const PostgresOptions place = server->NewPlace();
  Side a("a", place);
  Side b("b", place);
  REQUIRE(Eventually([&] { return a.Peers() == "a*! b"; }));
  const uint64_t first = a.Connect(HelloOf("n"), "c1");
  CHECK(a.Holder("n") == "a here");
  REQUIRE(Eventually([&] { return b.Holder("n") == "a"; }));
  b.Connect(HelloOf("n"), "c1");
  REQUIRE(Eventually([&] { return a.fenced.load(); }));
  a.nodes.Disconnect("n", a.nodes.Find("n")->session);
  a.replicas->Release("n", first);
  REQUIRE(Eventually([&] { return a.Holder("n") == "b"; }));
  CHECK(b.Holder("n") == "b here");
  CHECK_FALSE(b.fenced);
}

TEST_CASE("a namesake is refused as long as the first is connected, and told why") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const PostgresOptions place = server->NewPlace();
  Side a("a", place);
  Side b("b", place);
  const uint64_t first = a.Connect(HelloOf("n", "one"), "c1");
  for (Side* side : {&a, &b}) {
    const std::string refusal = side->Refusal(HelloOf("n", "two"), "c2");
    const std::string expected =
        "ALREADY_EXISTS: node n: another collector of this name, on host one, is connected to "
        "apiserver a since ";
    CHECK(refusal.substr(0, expected.size()) == expected);
  }
  CHECK(b.Refusal(HelloOf("n", "two"), "c1").starts_with("ALREADY_EXISTS"));
  CHECK_FALSE(a.fenced);
  a.nodes.Disconnect("n", a.nodes.Find("n")->session);
  a.replicas->Release("n", first);
  // The same process knows at once that nobody has it; others when that is stored.
  REQUIRE(Eventually([&] { return b.Refusal(HelloOf("n", "two"), "c2") == "taken"; }));
  CHECK(a.Refusal(HelloOf("n", "one"), "c1").starts_with("ALREADY_EXISTS"));
}

TEST_CASE("a change of parameters finds its way to a node elsewhere, and the answer back") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const PostgresOptions place = server->NewPlace();
  Side a("a", place);
  Side b("b", place);
  b.Connect(HelloOf("n"), "c1");
  REQUIRE(Eventually([&] { return a.Holder("n") == "b"; }));
  v1::SetParameters change;
  change.set_unit("oom");
  const auto reply = a.nodes.SetParameters("n", change, kPatience);
  REQUIRE(reply.ok());
  CHECK(reply->accepted());
  CHECK(reply->reason() == "by b");
  CHECK(b.told.find("unit: \"oom\"") != std::string::npos);
}

TEST_CASE("commits and tasks of one are news at the other") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const PostgresOptions place = server->NewPlace();
  Side a("a", place);
  Side b("b", place);
  REQUIRE(Eventually([&] { return b.Peers() == "a! b*"; }));
  const uint64_t before = a.events.version();
  const NodeCommit commit = MakeCommit("n", 1, 3);
  REQUIRE(b.store->Append({&commit, 1}).ok());
  REQUIRE(Eventually([&] { return a.events.version() > before; }));
  CHECK(Get(a.store->Newest()) == 3);
}

TEST_CASE("after a restart of the server nobody has lost anything") {
  if (PostgresServer::Shared() == nullptr) return;
  PostgresServer server;
  const PostgresOptions place = server.NewPlace();
  Side a("a", place);
  Side b("b", place);
  a.Connect(HelloOf("n"), "c1");
  REQUIRE(Eventually([&] { return b.Holder("n") == "a" && a.Peers() == "a*! b"; }));
  server.Crash();
  server.Start();
  const NodeCommit commit = MakeCommit("n", 1, 3);
  REQUIRE(Eventually([&] { return b.store->Append({&commit, 1}).ok(); }));
  const uint64_t before = a.tasks.version();
  REQUIRE(Eventually([&] { return a.tasks.version() > before + 2; }));
  CHECK(a.Holder("n") == "a here");
  CHECK_FALSE(a.fenced);
  CHECK(b.Refusal(HelloOf("n", "two"), "c2").starts_with("ALREADY_EXISTS"));
}

}  // namespace huatuo
