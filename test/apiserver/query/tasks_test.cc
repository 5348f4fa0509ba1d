#include <fmt/format.h>
#include <google/protobuf/text_format.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

#include "apiserver/store/profile_blob.h"
#include "test/apiserver/query/bed.h"

namespace huatuo {
namespace {

namespace json = boost::json;

constexpr char kLongId[] = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
constexpr char kOtherId[] = "a1a1a1a1a1a1b2b2b2b2b2b2b2b2b2b2";

std::string Word(const json::value& value) { return value.as_string().c_str(); }

// Nodes whose tools are "drop" (parameter rate, filter) and "plain"; on n2 rate may be more.
void AddNode(Bed& bed, const std::string& name, uint64_t most) {
  auto catalog = std::make_shared<v1::Catalog>();
  const std::string text = fmt::format(
      R"(units {{ name: "drop" task: true filter: "packet" events {{ name: "drop" }}
           metrics {{ name: "huatuo_container_drops_total" type: COUNTER container: true }}
           parameters {{ name: "rate" unit: "events/s" minimum: 1 maximum: {} }} }}
         units {{ name: "plain" task: true events {{ name: "plain" }} }}
         units {{ name: "prof" task: true
           profiles {{ name: "cpu" values {{ type: "cpu" unit: "nanoseconds" }} }} }}
         units {{ name: "always" events {{ name: "always" }} }})",
      most);
  REQUIRE(google::protobuf::TextFormat::ParseFromString(text, catalog.get()));
  v1::Hello hello;
  hello.set_node(name);
  const uint64_t session = bed.nodes.Connect(
      hello, [&bed](const v1::ToNode& message) { bed.sent.push_back(message); }, [] {});
  bed.nodes.Update(name, session, [&](NodeState& node) { node.catalog = catalog; });
  bed.series.Open(name, "dev", session, catalog);
  if (name == "n3") return;
  // n1 has one container called web, n2 another, and two whose ids begin alike.
  v1::MetricBatch batch;
  const auto add = [&](uint32_t id, const std::string& container, const std::string& container_id) {
    v1::SeriesAnnounce& series = *batch.add_announce();
    series.set_id(id);
    series.mutable_container()->set_name(container);
    series.mutable_container()->set_id(container_id);
    batch.mutable_samples()->add_ids(id);
    batch.mutable_samples()->add_values(1);
  };
  add(1, "web", name == "n1" ? "c1c1c1c1c1c1c1c1c1c1" : "c2c2c2c2c2c2c2c2c2c2");
  if (name == "n2") {
    add(2, "we\"b", kLongId);
    add(3, "twin", kOtherId);
    add(4, "twin", "d4d4d4d4d4d4d4d4d4d4");
  }
  batch.mutable_samples()->set_complete(true);
  REQUIRE(bed.series.Apply(name, session, batch).ok());
}

struct TaskBed : Bed {
  explicit TaskBed(const ApiOptions& options = {}) : Bed(options) {
    huatuo::AddNode(*this, "n1", 100);
    huatuo::AddNode(*this, "n2", 1000);
  }
  Answer Post(const std::string& body, const std::string& headers = "") {
    return Ask("POST", "/api/v1/tasks", headers, body);
  }
  // A task on n1; its id.
  std::string Made(const std::string& tool = "plain") {
    const Answer answer = Post(
        fmt::format(R"({{"tool":"{}","target":{{"nodes":["n1"]}},"duration_seconds":10}})", tool));
    REQUIRE(answer.status == 201);
    return Word(json::parse(answer.body).at("id"));
  }
  json::value Task(const std::string& id) { return json::parse(Get("/api/v1/tasks/" + id).body); }
  // Waits until the task is in this state.
  json::value Reaches(const std::string& id, const std::string& state) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    json::value task = Task(id);
    while (Word(task.at("state")) != state && std::chrono::steady_clock::now() < until) {
      task = Task(id);
    }
    CHECK(Word(task.at("state")) == state);
    return task;
  }
  void Reply(const std::string& reply_text) {
    NodeNews news{.kind = NodeNews::Kind::kReply, .node = "n1"};
    REQUIRE(google::protobuf::TextFormat::ParseFromString(reply_text, &news.reply));
    nodes.Announce(std::move(news));
  }
  // An event of the task is stored.
  void Store(const std::string& event_id, const std::string& task) {
    querier.Append("plain", "n1", event_id, task);
    commits.Notify();
  }
};

TEST_CASE("tasks: made, followed, ended") {
  TaskBed bed;
  CHECK(bed.Text("/api/v1/tasks") == R"(200 {"items":[],"next_cursor":null})");
  const Answer made =
      bed.Post(R"({"tool":"drop","parameters":{"rate":5,"filter":"tcp"},"target":{"nodes":["n1"]},)"
               R"("duration_seconds":10})");
  REQUIRE(made.status == 201);
  const std::string id = Word(json::parse(made.body).at("id"));
  CHECK(made.headers.at("location") == "/api/v1/tasks/" + id);
  CHECK(made.body ==
        R"({"id":")" + id +
            R"(","tool":"drop","parameters":{"rate":5,"filter":"tcp"},"target":{"nodes":["n1"]},)"
            R"("duration_seconds":10,"state":"dispatched","reason":"","cancel_requested":false,)"
            R"("created_time":"2026-11-18T11:06:40.000000000Z","started_time":null,)"
            R"("ended_time":null,"nodes":[{"node":"n1","state":"dispatched","reason":"",)"
            R"("events":0,"profiles":0,"lost":0}]})");
  REQUIRE(bed.sent.size() == 1);
  CHECK(bed.sent[0].ShortDebugString() ==
        R"(open_instance { task_id: ")" + id +
            R"(" unit: "drop" values { name: "rate" value: 5 } duration_ns: 10000000000 )"
            R"(filter: "tcp" })");
  CHECK(bed.Text("/api/v1/tasks/" + id) == "200 " + made.body);
  bed.Reply(fmt::format(R"(task_id: "{}" running: true)", id));
  bed.Reaches(id, "running");
  bed.Reply(fmt::format(R"(task_id: "{}" completed: true events: 2 lost: 3)", id));
  bed.Store("e1", id);
  CHECK(Word(bed.Task(id).at("state")) == "running");
  bed.Store("e2", id);
  bed.Store("other", "");
  const json::value ended = bed.Reaches(id, "succeeded");
  CHECK(json::serialize(ended.at("nodes")) ==
        R"([{"node":"n1","state":"succeeded","reason":"","events":2,"profiles":0,"lost":3}])");
  CHECK(bed.Text("/api/v1/tasks/" + id + "/result") ==
        "200 {\"items\":[" + EventDocument("plain", "n1", "e1") + "," +
            EventDocument("plain", "n1", "e2") + R"(],"next_cursor":null})");
  CHECK(bed.Text("/api/v1/tasks/" + id + "/result?limit=1") ==
        "200 {\"items\":[" + EventDocument("plain", "n1", "e1") + R"(],"next_cursor":"1"})");
  CHECK(bed.Text("/api/v1/tasks/" + id + "/result?limit=1&cursor=1") ==
        "200 {\"items\":[" + EventDocument("plain", "n1", "e2") + R"(],"next_cursor":null})");
  CHECK(bed.Text("/api/v1/tasks/" + id + "/result?format=pprof").starts_with("422 "));
  CHECK(bed.Text("/api/v1/tasks/none") ==
        R"(404 {"type":"about:blank","title":"Not Found","status":404,)"
        R"("detail":"no task has the id none"})");
  CHECK(Bed::TextOf(bed.Ask("DELETE", "/api/v1/tasks/" + id)) ==
        R"(409 {"type":"about:blank","title":"Conflict","status":409,)"
        R"("detail":"the task has ended: succeeded"})");
}

TEST_CASE("tasks: profiles as other tools read them, merged") {
  TaskBed bed;
  const std::string id = bed.Made("prof");
  ProfileCommit commit{
      .node = "n1", .epoch = "e", .high_water = 2, .uploaded_ns = 1, .profiles = {}, .gaps = {}};
  for (uint64_t i = 1; i <= 2; ++i) {
    v1::Profile profile;
    REQUIRE(google::protobuf::TextFormat::ParseFromString(
        R"(unit: "prof" type: "cpu" values { type: "cpu" unit: "nanoseconds" }
           strings: "" strings: "main" strings: "web" frames { kind: USER function: 1 }
           subjects { pid: 7 comm: 2 } samples { subject: 0 frames: 0 values: 20 })",
        &profile));
    NewProfile& stored = commit.profiles.emplace_back();
    stored.row.sequence = i;
    stored.row.id = std::to_string(i);
    stored.row.task_id = id;
    stored.blob = PackProfile(profile);
  }
  REQUIRE(bed.profiles.Append(std::vector{commit}).ok());
  const Answer folded = bed.Get("/api/v1/tasks/" + id + "/result?format=folded");
  CHECK(folded.status == 200);
  CHECK(folded.body.find("main 40") != std::string::npos);
  const Answer flame = bed.Get("/api/v1/tasks/" + id + "/result?format=flamegraph");
  CHECK(flame.body.find(R"("total":40)") != std::string::npos);
  CHECK(bed.Get("/api/v1/tasks/" + id + "/result").status == 200);
  CHECK(bed.Get("/api/v1/tasks/" + id + "/result?format=pprof").status == 200);
}

TEST_CASE("tasks: a watch tells each change and the end") {
  TaskBed bed;
  const std::string id = bed.Made();
  Client client(bed.server->address());
  client.Send("GET /api/v1/tasks/" + id + "/watch HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(ParseHead(client.ReadThrough("\r\n\r\n")).headers.at("content-type") ==
        "text/event-stream");
  CHECK(client.ReadThrough("\n\n") == "retry: 1000\n\n");
  const auto next = [&] {
    const std::string message = client.ReadThrough("\n\n");
    const size_t data = message.find("data: ") + 6;
    const json::value value = json::parse(message.substr(data));
    const auto* state = value.as_object().if_contains("state");
    return message.substr(0, data - 7) + (state == nullptr ? "" : " " + Word(*state));
  };
  CHECK(next() == "id: 1\nevent: task dispatched");
  bed.Reply(fmt::format(R"(task_id: "{}" running: true)", id));
  CHECK(next() == "id: 2\nevent: task running");
  bed.Reply(fmt::format(R"(task_id: "{}" reason: "it broke")", id));
  CHECK(next() == "id: 3\nevent: task failed");
  CHECK(next() == "event: end");
  CHECK(client.ReadThrough("\n\n").empty());
  CHECK(Word(bed.Task(id).at("reason")) == "n1: it broke");
  Client late(bed.server->address());
  late.Send("GET /api/v1/tasks/" + id + "/watch HTTP/1.1\r\nHost: h\r\nLast-Event-ID: 3\r\n\r\n");
  late.ReadThrough("retry: 1000\n\n");
  CHECK(late.ReadThrough("\n\n").starts_with("event: end\n"));
}

TEST_CASE("tasks: cancelled") {
  TaskBed bed;
  const std::string id = bed.Made();
  const Answer asked = bed.Ask("DELETE", "/api/v1/tasks/" + id);
  CHECK(asked.status == 200);
  CHECK(json::parse(asked.body).at("cancel_requested").as_bool());
  CHECK(bed.sent.back().ShortDebugString() == "close_instance { task_id: \"" + id + "\" }");
  bed.Reply(fmt::format(R"(task_id: "{}" completed: true)", id));
  bed.Reaches(id, "cancelled");
  CHECK(bed.Ask("DELETE", "/api/v1/tasks/" + id).status == 200);
  CHECK(bed.Ask("DELETE", "/api/v1/tasks/none").status == 404);
}

TEST_CASE("tasks: pages and filters of the list") {
  TaskBed bed;
  const std::string first = bed.Made();
  const std::string second = bed.Made("drop");
  const std::string third = bed.Made();
  const auto ids = [&](const std::string& query) {
    std::string out;
    const json::value page = json::parse(bed.Get("/api/v1/tasks" + query).body);
    for (const json::value& task : page.at("items").as_array()) {
      const std::string id = Word(task.at("id"));
      out += id == first ? "1" : id == second ? "2" : id == third ? "3" : "?";
    }
    return out + " " + json::serialize(page.at("next_cursor"));
  };
  CHECK(ids("") == "321 null");
  CHECK(ids("?limit=2") == R"(32 "2")");
  CHECK(ids("?limit=2&cursor=2") == "1 null");
  CHECK(ids("?tool=drop") == "2 null");
  CHECK(ids("?state=succeeded") == " null");
  CHECK(ids("?state=dispatched") == "321 null");
  CHECK(bed.Text("/api/v1/tasks?state=done").starts_with("400 "));
}

TEST_CASE("tasks: a container is found where it is reported") {
  TaskBed bed;
  const auto nodes = [&](const std::string& target) {
    const Answer answer =
        bed.Post(R"({"tool":"plain","target":)" + target + R"(,"duration_seconds":10})");
    if (answer.status != 201) return Bed::TextOf(answer);
    std::string out;
    const json::value task = json::parse(answer.body);
    for (const json::value& node : task.at("nodes").as_array()) {
      out += Word(node.at("node")) + " " + Word(node.at("container_id")) + "\n";
    }
    return out;
  };
  const std::string n2 = std::string("n2 ") + kLongId + "\n";
  CHECK(nodes(R"({"container":"web"})") == "n1 c1c1c1c1c1c1c1c1c1c1\nn2 c2c2c2c2c2c2c2c2c2c2\n");
  CHECK(nodes(R"({"container":"web","nodes":["n2"]})") == "n2 c2c2c2c2c2c2c2c2c2c2\n");
  CHECK(nodes(R"({"container":"we\"b"})") == n2);
  CHECK(nodes(R"({"container":"a1a1a1a1a1a1a1"})") == n2);
  CHECK(bed.sent.back().open_instance().container_id() == kLongId);
  const std::string head =
      R"(422 {"type":"about:blank","title":"Unprocessable Content","status":422,"detail":)";
  const std::string accepted =
      R"(,"parameter":"target.container","accepted":"the name of a container, its id, or the )"
      R"(first 12 or more digits of it"})";
  CHECK(nodes(R"({"container":"a1a1a1a1a1a"})") ==
        head + R"("no container whose name or id is \"a1a1a1a1a1a\" is reported by any node")" +
            accepted);
  CHECK(nodes(R"({"container":"a1a1a1a1a1a1"})") ==
        head +
            R"("2 containers of node n2 match \"a1a1a1a1a1a1\"","parameter":)"
            R"("target.container","accepted":"one of )" +
            kLongId + ", " + kOtherId + R"("})");
  CHECK(nodes(R"({"container":"twin"})").starts_with(head + R"("2 containers of node n2 match)"));
  CHECK(nodes(R"({"container":"we\"b","nodes":["n1","n2"]})") ==
        head +
            R"("no container whose name or id is \"we\"b\" is reported by every one of these )"
            R"(nodes")" +
            accepted);
}

TEST_CASE("tasks: what is wrong is named") {
  TaskBed bed;
  // "field: detail: accepted" of a good request with one member replaced.
  const auto wrong = [&](const std::string& member, const std::string& value) {
    json::object body{{"tool", "drop"},
                      {"parameters", {{"rate", 5}}},
                      {"target", {{"nodes", {"n1"}}}},
                      {"duration_seconds", 10}};
    value.empty() ? (void)body.erase(member) : (void)(body[member] = json::parse(value));
    const Answer answer = bed.Post(json::serialize(body), "Content-Type: application/json\r\n");
    if (answer.status != 422) return Bed::TextOf(answer);
    const json::value problem = json::parse(answer.body);
    return fmt::format("{}: {}: {}", Word(problem.at("parameter")), Word(problem.at("detail")),
                       Word(problem.at("accepted")));
  };
  const std::string tools = "one of drop, plain, prof";
  CHECK(wrong("tool", R"("dorp")") == "tool: no tool is called dorp: " + tools);
  CHECK(wrong("tool", R"("always")") == "tool: no tool is called always: " + tools);
  CHECK(wrong("tool", "") == "tool: missing: text that is not empty");
  CHECK(wrong("tool", "7") == "tool: bad value 7: text that is not empty");
  const std::string seconds = ": an integer from 1 to 86400";
  CHECK(wrong("duration_seconds", "0") == "duration_seconds: bad value 0" + seconds);
  CHECK(wrong("duration_seconds", "604800") == "duration_seconds: bad value 604800" + seconds);
  CHECK(wrong("duration_seconds", "-1") == "duration_seconds: bad value -1" + seconds);
  CHECK(wrong("duration_seconds", R"("10")") == R"(duration_seconds: bad value "10")" + seconds);
  CHECK(wrong("duration_seconds", "") == "duration_seconds: missing" + seconds);
  CHECK(wrong("color", "1") == "color: unknown member: tool, parameters, target, duration_seconds");
  const std::string targets =
      R"({"nodes": [name, ...]}, {"container": name or id}, or {"nodes": [name], "pid": n})";
  CHECK(wrong("target", "") == "target: missing: " + targets);
  CHECK(wrong("target", "{}") == "target: empty: " + targets);
  const std::string names = ": an array of names of nodes, each once";
  CHECK(wrong("target", R"({"nodes":[]})") == "target.nodes: bad value []" + names);
  CHECK(wrong("target", R"({"nodes":["n1","n1"]})") ==
        R"(target.nodes: bad value ["n1","n1"])" + names);
  CHECK(wrong("target", R"({"nodes":"n1"})") == R"(target.nodes: bad value "n1")" + names);
  CHECK(wrong("target", R"({"nodes":["n1","n9"]})") ==
        "target.nodes: no node is called n9: one of n1, n2");
  CHECK(wrong("target", R"({"node":"n1"})") ==
        "target.node: unknown member: nodes, container, pid");
  CHECK(wrong("target", R"({"container":""})") ==
        R"(target.container: bad value "": text that is not empty)");
  CHECK(wrong("target", R"({"pid":1})") ==
        "target.nodes: 0 nodes with a pid: exactly one node with a pid");
  CHECK(wrong("target", R"({"pid":1,"nodes":["n1","n2"]})") ==
        "target.nodes: 2 nodes with a pid: exactly one node with a pid");
  CHECK(wrong("target", R"({"pid":1,"container":"web"})") ==
        "target.pid: together with a container: a pid, or a container");
  CHECK(wrong("target", R"({"pid":0,"nodes":["n1"]})") ==
        "target.pid: bad value 0: an integer from 1 to 4194304");
  CHECK(wrong("parameters", R"({"ratio":1})") ==
        "parameters.ratio: the unit drop has no such parameter: one of rate, filter");
  CHECK(wrong("parameters", R"({"rate":1.5})") == "parameters.rate: bad value 1.5E0: an integer");
  CHECK(wrong("parameters", "[]") ==
        "parameters: bad value []: an object of integers, and a text as filter");
  CHECK(wrong("parameters", R"({"filter":7})") ==
        "parameters.filter: bad value 7: text that is not empty");
  CHECK(wrong("parameters", R"({"filter":"tcp and"})").starts_with("parameters.filter: "));
  CHECK(
      wrong("parameters", R"({"filter":"tcp and port 99999"})").starts_with("parameters.filter: "));
  // What one node takes, another may not.
  CHECK(wrong("parameters", R"({"rate":1000})") ==
        "parameters.rate: bad value 1000 on node n1: an integer from 1 to 100 in events/s");
  CHECK(bed.sent.empty());
  const std::string plain =
      R"({"tool":"plain","parameters":{"filter":"tcp"},"target":{"nodes":["n1"]},"duration_seconds":1})";
  CHECK(Bed::TextOf(bed.Post(plain)).find("the unit plain has no filter") != std::string::npos);
  CHECK(Bed::TextOf(bed.Post("{")).starts_with("400 "));
  CHECK(bed.Post("{}", "Content-Type: text/plain\r\n").status == 415);
  CHECK(Bed::TextOf(bed.Post("[]")).starts_with("422 "));
}

TEST_CASE("tasks: so many at once") {
  TaskBed bed;
  std::vector<std::string> ids;
  for (int i = 0; i < 8; ++i) ids.push_back(bed.Made());
  const std::string ninth =
      R"({"tool":"plain","target":{"nodes":["n2","n1"]},"duration_seconds":1})";
  CHECK(Bed::TextOf(bed.Post(ninth)) ==
        R"(429 {"type":"about:blank","title":"Too Many Requests","status":429,)"
        R"("detail":"node n1: 8 tasks of the tool plain are open, which is the limit"})");
  CHECK(bed.Counter("huatuo_apiserver_tasks_refused_total") == 1);
  bed.Made("drop");
  bed.Reply(fmt::format(R"(task_id: "{}" completed: true)", ids[4]));
  bed.Reaches(ids[4], "succeeded");
  CHECK(bed.Post(ninth).status == 201);
}

TEST_CASE("tasks: roles") {
  ApiOptions options;
  options.authorizer = TokensOf({{"see", Role::kViewer}, {"do", Role::kOperator}});
  TaskBed bed(options);
  const std::string see = "Authorization: Bearer see\r\n";
  CHECK(bed.Ask("GET", "/api/v1/tasks", see).status == 200);
  CHECK(bed.Post("{}", see).status == 403);
  CHECK(bed.Ask("DELETE", "/api/v1/tasks/x", see).status == 403);
  CHECK(bed.Post("{}", "Authorization: Bearer do\r\n").status == 422);
  CHECK(bed.Ask("DELETE", "/api/v1/tasks/x", "Authorization: Bearer do\r\n").status == 404);
}

}  // namespace
}  // namespace huatuo
