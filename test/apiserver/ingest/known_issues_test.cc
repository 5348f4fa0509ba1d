#include "apiserver/ingest/known_issues.h"

#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "test/apiserver/ingest/fixture.h"

namespace huatuo {
namespace {

namespace json = boost::json;

std::string Refusal(const std::string& rules) {
  std::vector<KnownIssueRule> read;
  const auto bad = ReadRules(json::parse(rules), read);
  return bad ? bad->field + ": " + bad->detail : "ok";
}

std::string Rule(const std::string& members) { return R"({"items":[{)" + members + "}]}"; }

constexpr const char* kDocument = R"({"tracer_name":"hungtask","container_name":"web",
  "tracer_data":{"comm":"backup-7","pid":42,"stack":"io_schedule+0x12\nnfs_wait_bit_killable+0x5",
  "flags":["a","b"],"nothing":null}})";

bool Matched(const std::string& members) {
  std::vector<KnownIssueRule> rules;
  REQUIRE_FALSE(ReadRules(json::parse(Rule(R"("name":"n","action":"label",)" + members)), rules));
  return Matches(rules.at(0), json::parse(kDocument).as_object());
}

TEST_CASE("a rule matches when its tracer and all its expressions do") {
  CHECK(Matched(R"("match":{"stack":"nfs_wait_bit_killable"})"));
  CHECK(Matched(R"("tracer":"hungtask","match":{"comm":"^backup-[0-9]+$","stack":"nfs"})"));
  CHECK_FALSE(Matched(R"("match":{"comm":"^backup$","stack":"nfs"})"));
  CHECK_FALSE(Matched(R"("tracer":"oom","match":{"stack":"nfs"})"));
  CHECK(Matched(R"("match":{"container_name":"web"})"));
  CHECK(Matched(R"("match":{"pid":"^42$"})"));
  CHECK(Matched(R"("match":{"flags":"\"b\""})"));
  CHECK_FALSE(Matched(R"("match":{"nothing":".*"})"));
  CHECK_FALSE(Matched(R"("match":{"absent":".*"})"));
}

TEST_CASE("rules that cannot be are refused with where and why") {
  CHECK(Refusal("[]") == "items: not a list of rules");
  CHECK(Refusal(R"({"items":[]})") == "ok");
  CHECK(Refusal(R"({"items":[7]})") == "items[0]: not an object");
  const std::string good = R"("name":"n","action":"label","match":{"comm":"x"})";
  CHECK(Refusal(Rule(good)) == "ok");
  CHECK(Refusal(R"({"items":[{)" + good + "},{" + good + "}]}") ==
        "items[1].name: n: there is one already");
  CHECK(Refusal(Rule(R"("action":"label","match":{"comm":"x"})")) == "items[0].name: missing");
  CHECK(Refusal(Rule(R"("name":"a b","action":"label","match":{"comm":"x"})")) ==
        R"(items[0].name: bad value "a b")");
  CHECK(Refusal(Rule(R"("name":"n","action":"drop","match":{"comm":"x"})")) ==
        "items[0].action: drop");
  CHECK(Refusal(Rule(R"("name":"n","action":"label","match":{})")) == "items[0].match: 0 members");
  CHECK(Refusal(Rule(R"("name":"n","action":"label","match":{"comm":7})")) ==
        "items[0].match.comm: not a text, empty or too long");
  CHECK(Refusal(Rule(R"("name":"n","action":"label","match":{"stack":"nfs(wait"})")) ==
        "items[0].match.stack: missing ): nfs(wait at \"nfs(wait\"");
  CHECK(Refusal(Rule(R"("name":"n","action":"label","match":{"stack":"(a{1000}){1000}"})")) ==
        "items[0].match.stack: invalid repetition size: {1000} at \"{1000}\"");
  CHECK(Refusal(Rule(good + R"(,"colour":"red")")) == "items[0].colour: unknown member");
}

TEST_CASE("what would make another engine stand still takes linear time") {
  std::vector<KnownIssueRule> rules;
  REQUIRE_FALSE(ReadRules(
      json::parse(Rule(R"("name":"n","action":"label","match":{"comm":"^(a+)+$"})")), rules));
  json::object document{{"tracer_data", {{"comm", std::string(1 << 20, 'a') + "!"}}}};
  CHECK_FALSE(Matches(rules.at(0), document));
}

TEST_CASE("rules outlive the process; those of a file replace them") {
  MemoryStore store;
  prometheus::Registry registry;
  {
    KnownIssues issues(store, registry);
    REQUIRE(issues.Load("").ok());
    const auto replaced = issues.Replace(
        json::parse(Rule(R"("name":"kept","action":"silence","match":{"comm":"x"})")));
    CHECK(replaced.status.ok());
    CHECK_FALSE(replaced.refusal.has_value());
    CHECK(issues.Replace(json::parse("{}")).refusal.has_value());
  }
  KnownIssues issues(store, registry);
  REQUIRE(issues.Load("").ok());
  CHECK(json::serialize(issues.Json()) ==
        R"({"items":[{"name":"kept","match":{"comm":"x"},"action":"silence","matched":0}],)"
        R"("next_cursor":null})");
  // What was read can be put back.
  CHECK_FALSE(issues.Replace(issues.Json()).refusal.has_value());
  const std::string path =
      std::filesystem::temp_directory_path() / ("issues." + std::to_string(getpid()));
  std::ofstream(path) << Rule(R"("name":"filed","action":"label","match":{"comm":"x"})");
  CHECK(issues.Load(path).ok());
  CHECK(issues.Judge(R"({"tracer_data":{"comm":"xy"}})")->name == "filed");
  std::ofstream(path) << Rule(R"("name":"filed","action":"label","match":{"comm":"("})");
  CHECK(Message(issues.Load(path))
            .starts_with("known_issues_file " + path + ": items[0].match.comm: missing ): ("));
  std::remove(path.c_str());
  CHECK(Message(issues.Load(path)) == "known_issues_file " + path + ": cannot be read");
}

TEST_CASE("events: the first rule that matches labels or silences; a task's are never silenced") {
  Bench bench;
  const std::string rules = R"({"items":[
    {"name":"loopback","tracer":"netdev_events","match":{"ifname":"^lo$"},"action":"silence"},
    {"name":"any-device","match":{"ifname":"."},"action":"label"}]})";
  REQUIRE_FALSE(bench.issues.Replace(json::parse(rules)).refusal.has_value());
  Node node(bench);
  node.Join();
  const std::string head = R"(unit: 1 tracer_id: "0123456789abcdef" )";
  const auto entry = [&](int sequence, const std::string& ifname, const std::string& rest = "") {
    return "entries { sequence: " + std::to_string(sequence) + " event { " + head + rest +
           " values { text: \"" + ifname + "\" } } }";
  };
  v1::FromNode message;
  *message.mutable_entries() = Parse<v1::EntryBatch>(
      entry(1, "lo") + entry(2, "eth0") + entry(3, "lo", "task_id: \"t\"") + entry(4, "lo"));
  // Ids of stored events differ.
  for (int i = 0; i < 4; ++i) {
    message.mutable_entries()->mutable_entries(i)->mutable_event()->set_tracer_id(
        "012345678901234" + std::to_string(i));
  }
  CHECK(node.Say(message) == "read");
  CHECK(node.Await("ack") == "ack { sequence: 4 }\n");
  std::string labels;
  const auto stored = bench.store.Query({}, Order::kOldestFirst, 0, 10);
  for (const StoredEvent& event : *stored) {
    const auto document = json::parse(event.row.document).as_object();
    labels += std::to_string(event.row.sequence) + " " +
              std::string(document.at("known_issue").as_string()) + "\n";
  }
  CHECK(labels == "2 any-device\n3 loopback\n");
  CHECK(bench.Own("huatuo_apiserver_events_total", "silenced") == 2);
  CHECK(bench.Own("huatuo_apiserver_events_total", "stored") == 2);
  CHECK(json::serialize(bench.issues.Json()).find(R"("action":"silence","matched":3)") !=
        std::string::npos);
}

}  // namespace
}  // namespace huatuo
