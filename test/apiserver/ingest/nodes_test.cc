#include "apiserver/ingest/nodes.h"

#include <fmt/format.h>

#include <thread>

#include "apiserver/ingest/catalogs.h"
#include "apiserver/ingest/join_tokens.h"
#include "test/apiserver/ingest/fixture.h"

namespace huatuo {
namespace {

std::string Show(const NodeState& node) {
  return fmt::format(
      "{} connected={} session={} events={} high_water={} units={} refused={} rss={}",
      node.hello.node(), node.connected, node.session, node.events, node.high_water,
      node.catalog ? node.catalog->units_size() : -1, node.refused_units.size(),
      node.status.rss_bytes());
}

TEST_CASE("a restart forgets no node and no session number is used again") {
  Bench bench;
  {
    Node node(bench);
    node.Join();
    node.Say(Parse<v1::FromNode>("status { rss_bytes: 7 }"));
    node.Say(Events(1, 3));
    node.Await("sequence: 3");
  }
  REQUIRE(bench.nodes.Flush().ok());
  Nodes later(bench.clock, bench.store);
  REQUIRE(later.Load().ok());
  REQUIRE(later.List().size() == 1);
  CHECK(Show(later.List()[0]) ==
        "a connected=false session=1 events=3 high_water=3 units=2 refused=0 rss=7");
  CHECK(later.Connect(TestHello("b"), {}, {}) == 2);
  bench.clock.wall_ns = 5'000'000;
  Nodes unkept(bench.clock, bench.store);
  CHECK(unkept.Connect(TestHello("b"), {}, {}) == 5000);
}

TEST_CASE("a status is kept at most once a minute, a connection at once") {
  Bench bench;
  Node node(bench);
  node.Join();
  const auto kept_rss = [&bench] {
    REQUIRE(bench.nodes.Flush().ok());
    Nodes later(bench.clock, bench.store);
    REQUIRE(later.Load().ok());
    return later.Find("a")->status.rss_bytes();
  };
  CHECK(kept_rss() == 0);
  node.Say(Parse<v1::FromNode>("status { rss_bytes: 7 }"));
  CHECK(kept_rss() == 0);
  bench.clock.boot_ns += 60'000'000'000;
  CHECK(kept_rss() == 7);
}

TEST_CASE("parameters: the node's answer comes back, or why there is none") {
  Bench bench;
  const auto set = [&bench](int ms) {
    const auto reply = bench.nodes.SetParameters("a", Parse<v1::SetParameters>("unit: \"oom\""),
                                                 std::chrono::milliseconds(ms));
    return reply.ok() ? fmt::format("{} {}", reply->accepted(), reply->reason())
                      : reply.status().ToString();
  };
  CHECK(set(1) == "NOT_FOUND: node a: not known");
  const uint64_t silent = bench.nodes.Connect(TestHello(), [](const v1::ToNode&) {}, {});
  CHECK(set(1) == "UNAVAILABLE: node a: no answer");
  bench.nodes.Disconnect("a", silent);
  CHECK(set(60'000) == "UNAVAILABLE: node a: not connected");
  bench.nodes.Connect(TestHello(),
                      [&bench](const v1::ToNode& message) {
                        v1::ParameterReply reply;
                        reply.set_request_id(message.set_parameters().request_id());
                        reply.set_reason("too large: " + message.set_parameters().unit());
                        bench.nodes.OnReply(reply);
                      },
                      {});
  CHECK(set(60'000) == "false too large: oom");
}

TEST_CASE("the units of all nodes, newest version of each") {
  Bench bench;
  Node node(bench);
  node.Join();
  bench.clock.wall_ns = 1000;
  v1::Catalog newer = TestCatalog();
  newer.mutable_units()->DeleteSubrange(1, 1);
  newer.mutable_units(0)->set_help("Newer.");
  Node other(bench);
  other.Say(HelloMessage(TestHello("b", newer)));
  other.Say(CatalogMessage(newer));
  std::string units;
  const v1::Catalog merged = bench.nodes.Units();
  for (const v1::Unit& unit : merged.units()) units += unit.name() + ":" + unit.help() + " ";
  CHECK(units == "netdev_events: oom:Newer. ");
}

std::string Merge(const std::string& known, const std::string& unit) {
  auto merged = Parse<v1::Unit>(known);
  const absl::Status status = MergeUnits(Parse<v1::Unit>(unit), merged);
  return status.ok() ? merged.ShortDebugString() : Message(status);
}

TEST_CASE("a unit may be appended to and not be changed") {
  const std::string known = R"(events { name: "e" fields { name: "a" type: UINT } })";
  CHECK(
      Merge(
          known,
          R"(events { name: "e" fields { name: "a" type: UINT } fields { name: "b" type: TEXT } })") ==
      R"(events { name: "e" fields { name: "a" type: UINT } fields { name: "b" type: TEXT } })");
  CHECK(Merge(known, R"(events { name: "e" })") ==
        R"(events { name: "e" fields { name: "a" type: UINT } })");
  CHECK(Merge(known, R"(events { name: "e" fields { name: "b" type: UINT } })") ==
        "event e: field 1 is b, elsewhere a");
  CHECK(
      Merge(
          R"(events { name: "e" fields { name: "l" type: LIST } })",
          R"(events { name: "e" fields { name: "l" type: LIST fields { name: "x" type: UINT } } })") ==
      "event e: field l lists something else");
  CHECK(Merge(R"(metrics { name: "m" type: GAUGE })", R"(metrics { name: "m" type: COUNTER })") ==
        "metric m is declared differently elsewhere");
  CHECK(Merge(R"(metrics { name: "m" type: GAUGE })",
              R"(metrics { name: "m" type: GAUGE help: "h" })") ==
        R"(metrics { name: "m" type: GAUGE })");
  const std::string profile = R"(profiles { name: "cpu" values { type: "cpu" unit: "ns" } })";
  CHECK(Merge("", profile) == profile);
  CHECK(Merge(profile, profile) == profile);
  CHECK(Merge(profile, R"(profiles { name: "cpu" values { type: "wall" unit: "ns" } })") ==
        "profile cpu is declared differently elsewhere");
}

TEST_CASE("what a unit means outlives a restart") {
  MemoryStore store;
  REQUIRE(Catalogs(store).Merge(TestCatalog())->empty());
  v1::Catalog changed = TestCatalog();
  changed.mutable_units(1)->mutable_events(0)->mutable_fields(0)->set_type(v1::Field::UINT);
  changed.mutable_units(0)->mutable_events(0)->set_name("gap");
  const auto refused = *Catalogs(store).Merge(changed);
  REQUIRE(refused.size() == 2);
  CHECK(refused[0].reason() == "event gap: a reserved name");
  CHECK(refused[1].reason() == "event netdev_events: field ifname is UINT, elsewhere TEXT");
}

TEST_CASE("join tokens") {
  const auto tokens = JoinTokens::Parse("# all\n0123456789abcdef\n\nfedcba9876543210 n1 # one\n");
  REQUIRE(tokens.ok());
  const auto allow = [&](const char* authorization, const char* node) {
    return tokens->Allow(authorization, node).ToString();
  };
  CHECK(allow("Bearer 0123456789abcdef", "x") == "OK");
  CHECK(allow("Bearer fedcba9876543210", "n1") == "OK");
  CHECK(allow("Bearer fedcba9876543210", "n2") ==
        "PERMISSION_DENIED: node: the join token is for another one");
  for (const char* bad : {"", "Bearer", "Bearer ", "0123456789abcdef", "Bearer 0123456789abcdeg"}) {
    CHECK(allow(bad, "x") == "UNAUTHENTICATED: authorization: not a join token");
  }
  CHECK(JoinTokens::Parse("").status().ToString() == "INVALID_ARGUMENT: no token");
  CHECK(JoinTokens::Parse("short").status().ToString() ==
        "INVALID_ARGUMENT: line 1: a token of less than 16 bytes");
  CHECK(JoinTokens().Check("").ok());
  const auto hashed = JoinTokens::Parse("sha256:" + Hex(Sha256("0123456789abcdef")) + " n1\n");
  REQUIRE(hashed.ok());
  CHECK(hashed->Allow("Bearer 0123456789abcdef", "n1").ok());
  CHECK_FALSE(hashed->Allow("Bearer 0123456789abcdef", "n2").ok());
  CHECK_FALSE(hashed->Check("Bearer sha256:" + Hex(Sha256("0123456789abcdef"))).ok());
  CHECK(JoinTokens::Parse("\nsha256:12").status().ToString() ==
        "INVALID_ARGUMENT: line 2: sha256: 64 hex digits are accepted");
}

std::string Refused(Catalogs& catalogs, const std::string& units) {
  const auto refused = catalogs.Merge(Parse<v1::Catalog>(units));
  if (!refused.ok()) return refused.status().ToString();
  std::string out;
  for (const v1::RefusedUnit& unit : *refused) out += unit.unit() + ": " + unit.reason() + "\n";
  return out;
}

TEST_CASE("a family belongs to one type, and the server's own names to the server") {
  MemoryStore store;
  Catalogs catalogs(store);
  CHECK(Refused(catalogs, R"(units { name: "a" metrics { name: "x_total" type: COUNTER } }
    units { name: "b" metrics { name: "x_total" type: GAUGE } }
    units { name: "c" metrics { name: "x_total" type: COUNTER } }
    units { name: "d" metrics { name: "huatuo_apiserver_up" type: GAUGE } })") ==
        "b: unit a: metric x_total is a GAUGE here, elsewhere a COUNTER\n"
        "d: metric huatuo_apiserver_up: names that begin with huatuo_apiserver_ are the server's "
        "own\n");
  // Of another catalog, by a server that has been restarted.
  Catalogs later(store);
  CHECK(Refused(later, R"(units { name: "e" metrics { name: "x_total" type: UNTYPED } })") ==
        "e: unit a: metric x_total is a UNTYPED here, elsewhere a COUNTER\n");
  CHECK(Refused(later, R"(units { name: "a" metrics { name: "x_total" type: COUNTER } })").empty());
}

}  // namespace
}  // namespace huatuo
