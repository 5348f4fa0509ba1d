#include "apiserver/config/live_config.h"

#include <fmt/format.h>
#include <prometheus/registry.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>

#include "apiserver/store/memory_store.h"
#include "common/status.h"
#include "google/protobuf/text_format.h"

namespace huatuo {
namespace {

namespace json = boost::json;

std::string Rate(int rate) { return fmt::format(R"({{"runqlat":{{"rate":{}}}}})", rate); }
std::string Defaults(int rate) { return R"({"defaults":)" + Rate(rate) + "}"; }

// One apiserver of a store.
struct Server {
  explicit Server(MemoryStore& the_store) : store(the_store) {
    auto started = LiveConfig::Start(store, nodes, clock, registry);
    REQUIRE(started.ok());
    config = std::move(*started);
  }

  // A node that connects and has a catalog; what it is told is in `told`.
  void Join(const std::string& name) {
    v1::Hello hello;
    hello.set_node(name);
    const auto send = [this, name](const v1::ToNode& message) {
      const std::lock_guard lock(mutex);
      told += name + ": " + message.configure().ShortDebugString() + "\n";
      changed.notify_all();
    };
    const uint64_t session = nodes.Connect(hello, send, [] {});
    v1::Catalog catalog;
    REQUIRE(google::protobuf::TextFormat::ParseFromString(
        R"(units { name: "runqlat" parameters { name: "rate" minimum: 1 maximum: 9 } })",
        &catalog));
    nodes.Update(name, session, [&catalog](NodeState& node) {
      node.catalog = std::make_shared<const v1::Catalog>(catalog);
    });
    nodes.Announce({.kind = NodeNews::Kind::kConnected, .node = name});
  }
  // What the nodes were told since the last call.
  std::string Told() {
    const std::lock_guard lock(mutex);
    return std::exchange(told, "");
  }
  bool AwaitTold() {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [this] { return !told.empty(); });
  }
  std::string Replace(const std::string& body) {
    const LiveConfig::Changed result = config->Replace(json::parse(body));
    if (result.refusal) return result.refusal->field + ": " + result.refusal->detail;
    return result.status.ok() ? fmt::format("version {}", config->current()->number)
                              : Message(result.status);
  }
  std::string State(const std::string& node) const {
    return std::string(
        ConfigStateName(ConfigStateOf(*nodes.Find(node), config->current()->number)));
  }

  MemoryStore& store;
  ManualClock clock;
  Nodes nodes{clock, store};
  prometheus::Registry registry;
  std::mutex mutex;
  std::condition_variable changed;
  std::string told;
  std::unique_ptr<LiveConfig> config;
};

TEST_CASE("nodes are told when they connect and when it changes") {
  MemoryStore store;
  Server server(store);
  server.Join("a");
  CHECK(server.Told() == "a: \n");
  CHECK(server.State("a") == "applied");
  CHECK(server.Replace(Defaults(3)) == "version 1");
  const std::string three =
      R"(version: 1 units { unit: "runqlat" values { name: "rate" value: 3 } })";
  CHECK(server.Told() == "a: " + three + "\n");
  CHECK(server.State("a") == "pending");
  server.Join("b");
  CHECK(server.Told() == "b: " + three + "\n");
  const auto answer = [&server](const std::string& text) {
    v1::ConfigureReply reply;
    REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &reply));
    server.nodes.Account("a", [&reply](NodeState& node) { node.configured = reply; });
    return server.State("a");
  };
  CHECK(answer("version: 1") == "applied");
  CHECK(answer(R"(version: 1 refused { unit: "runqlat" reason: "no" })") == "refused");
  CHECK(answer("version: 2") == "pending");
}

TEST_CASE("versions: kept, read, returned to, and changed by one at a time") {
  MemoryStore store;
  Server server(store);
  server.Join("a");
  CHECK(server.Replace(R"({"defaults":)" + Rate(3) + R"(,"comment":"calm"})") == "version 1");
  CHECK(server.Replace(R"({"version":1,"defaults":)" + Rate(4) + "}") == "version 2");
  CHECK(server.Replace(R"({"version":1,"defaults":)" + Rate(5) + "}") ==
        "version: the newest is 2 by now: read it, and change that");
  CHECK(server.config->RollBack(1).ok());
  CHECK(Message(server.config->RollBack(7)) == "no version 7 of the configuration is kept");
  std::string all;
  const auto versions = server.config->Versions();
  REQUIRE(versions.ok());
  for (const LiveConfig::Version& version : *versions) {
    all += fmt::format("{} {} {}\n", version.number, version.comment,
                       json::serialize(ConfigJson(version.document)));
  }
  const auto document = [](int rate) {
    return R"({"defaults":)" + Rate(rate) + R"(,"overrides":[]})";
  };
  CHECK(all == "3 back to version 1 " + document(3) + "\n2  " + document(4) + "\n1 calm " +
                   document(3) + "\n");
  CHECK(json::serialize(LiveConfig::Json(**server.config->Find(2))) ==
        R"({"version":2,"created_time":"1970-01-01T00:00:00.000000000Z","comment":"",)"
        R"("defaults":{"runqlat":{"rate":4}},"overrides":[]})");
  CHECK_FALSE(server.config->Find(9)->has_value());
  // What was read can be put back.
  CHECK(server.Replace(json::serialize(LiveConfig::Json(*server.config->current()))) ==
        "version 4");
}

TEST_CASE("the last hundred versions are kept") {
  MemoryStore store;
  Server server(store);
  server.Join("a");
  for (int i = 0; i < 120; ++i) server.Replace(Defaults(1 + i % 9));
  const std::vector<LiveConfig::Version> versions = server.config->Versions().value();
  CHECK(versions.size() == LiveConfig::kKept);
  CHECK(versions.front().number == 120);
  CHECK(versions.back().number == 21);
  CHECK_FALSE(server.config->Find(20)->has_value());
}

TEST_CASE("what cannot be is refused, and the old version goes on") {
  MemoryStore store;
  Server server(store);
  CHECK(server.Replace(Defaults(3)) == "defaults.runqlat: no node has a unit runqlat");
  server.Join("a");
  CHECK(server.Replace(Defaults(3)) == "version 1");
  server.Told();
  CHECK(server.Replace(Defaults(10)) == "defaults.runqlat.rate: bad value 10");
  CHECK(server.Replace("[]") == ": the body is not an object");
  CHECK(server.Replace(R"({"comment":7})") == "comment: not a text");
  CHECK(server.Replace(R"({"version":"1"})") == "version: bad value \"1\"");
  CHECK(server.config->current()->number == 1);
  CHECK(server.Told().empty());
}

TEST_CASE("a restart goes on with the newest; a change of another apiserver reaches the nodes") {
  MemoryStore store;
  std::string told;
  {
    Server before(store);
    before.Join("a");
    before.Replace(Defaults(3));
  }
  Server one(store);
  CHECK(one.config->current()->number == 1);
  one.Join("a");
  one.Told();
  Server other(store);
  other.Join("b");
  CHECK(other.Replace(Defaults(4)) == "version 2");
  REQUIRE(one.AwaitTold());
  CHECK(one.Told() == R"(a: version: 2 units { unit: "runqlat" values { name: "rate" value: 4 } })"
                      "\n");
  // Whoever changes first looks at what the others have done.
  CHECK(one.Replace(R"({"version":2})") == "version 3");
  CHECK(other.Replace(R"({"version":2})") ==
        "version: the newest is 3 by now: read it, and change that");
}

}  // namespace
}  // namespace huatuo
