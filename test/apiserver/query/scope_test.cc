#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>

#include "boost/json/parse.hpp"
#include "common/id.h"
#include "test/apiserver/query/bed.h"

namespace huatuo {
namespace {

std::string As(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }

struct ScopedBed : Bed {
  static ApiOptions Options() {
    ApiOptions options;
    options.authorizer = TokensOf({{"all", Role::kAdmin},
                                   {"shop", Role::kAdmin, {"shop"}},
                                   {"two", Role::kViewer, {"shop", "billing"}}});
    return options;
  }
  ScopedBed() : Bed(Options()) {
    querier.Append("oom", "n1", "1", "", "shop");
    querier.Append("oom", "n1", "2", "", "billing");
    querier.Append("oom", "n1", "3");
  }
  // The ids of what a list shows, or its status.
  std::string Ids(const std::string& token, const std::string& query = "") {
    const Answer answer = Get("/api/v1/events?order=oldest" + query, As(token));
    if (answer.status != 200) return std::to_string(answer.status);
    std::string ids;
    const auto page = boost::json::parse(answer.body);
    for (const auto& item : page.at("items").as_array()) {
      ids += item.at("tracer_id").as_string().c_str();
    }
    return ids;
  }
};

TEST_CASE("a token of a namespace sees the events of it alone") {
  ScopedBed bed;
  CHECK(bed.Ids("all") == "123");
  CHECK(bed.Ids("all", "&namespace=billing") == "2");
  CHECK(bed.Ids("shop") == "1");
  CHECK(bed.Ids("shop", "&namespace=shop") == "1");
  CHECK(bed.Ids("shop", "&namespace=billing") == "403");
  CHECK(bed.Ids("two") == "400");
  CHECK(bed.Ids("two", "&namespace=billing") == "2");
  CHECK(bed.Ids("two", "&namespace=kube-system") == "403");
  CHECK(bed.Get("/api/v1/events/1", As("shop")).status == 200);
  CHECK(bed.Get("/api/v1/events/1", As("two")).status == 200);
  // As if there were none.
  CHECK(bed.Get("/api/v1/events/2", As("shop")).body.find("no event has") != std::string::npos);
  CHECK(bed.Get("/api/v1/events/3", As("shop")).status == 404);
  CHECK(bed.Get("/api/v1/events/counts", As("shop")).status == 200);
  CHECK(bed.querier.last_filter().namespace_name == "shop");
  CHECK(bed.Get("/api/v1/events/counts", As("two")).status == 400);
}

TEST_CASE("a token of a namespace watches the events of it alone") {
  ScopedBed bed;
  CHECK(bed.Get("/api/v1/events/watch?namespace=billing", As("shop")).status == 403);
  Client client(bed.server->address());
  client.Send("GET /api/v1/events/watch?after=0 HTTP/1.1\r\n" + As("shop") + "\r\n");
  CHECK(client.ReadThrough("data: {").find("200 OK") != std::string::npos);
  CHECK(client.ReadThrough("}\n").find(R"("tracer_id":"1")") != std::string::npos);
  bed.querier.Append("oom", "n1", "4");
  bed.querier.Append("oom", "n1", "5", "", "shop");
  bed.commits.Notify();
  client.ReadThrough("data: {");
  CHECK(client.ReadThrough("}\n").find(R"("tracer_id":"5")") != std::string::npos);
}

TEST_CASE("what cannot be cut to a namespace is refused to its tokens, whatever their role") {
  ScopedBed bed;
  const auto document = boost::json::parse(bed.openapi);
  const std::set<std::string> open = {"/api/v1/events",
                                      "/api/v1/events/watch",
                                      "/api/v1/events/{id}",
                                      "/api/v1/events/counts",
                                      "/api/v1/units",
                                      "/api/v1/self",
                                      "/api/v1/openapi.json",
                                      "/healthz",
                                      "/readyz",
                                      "/api/v1/tasks",
                                      "/api/v1/tasks/{id}",
                                      "/api/v1/tasks/{id}/watch",
                                      "/api/v1/tasks/{id}/result"};
  for (const auto& path : document.at("paths").as_object()) {
    const std::string name(path.key());
    for (const auto& operation : path.value().as_object()) {
      if (open.count(name) != 0) continue;
      std::string verb(operation.key());
      for (char& c : verb) c = static_cast<char>(toupper(c));
      INFO(verb << " " << name);
      const std::string target = std::regex_replace(name, std::regex(R"(\{\w+\})"), "1");
      const Answer answer = bed.Ask(verb, target, As("shop"), verb == "GET" ? "" : "{}");
      CHECK(answer.status == 403);
      CHECK(answer.body.find("the token shop is for the namespace shop alone") !=
            std::string::npos);
    }
  }
}

TEST_CASE("a token of a namespace has the tasks on its containers alone") {
  ScopedBed bed;
  auto catalog = std::make_shared<v1::Catalog>();
  v1::Unit& unit = *catalog->add_units();
  unit.set_name("drop");
  unit.set_task(true);
  unit.add_events()->set_name("drop");
  v1::Hello hello;
  hello.set_node("n2");
  const uint64_t session = bed.nodes.Connect(
      hello, [](const v1::ToNode&) {}, [] {});
  bed.nodes.Update("n2", session, [&](NodeState& node) { node.catalog = catalog; });
  const auto made = [&](const std::string& name_space) {
    TaskSpec spec;
    spec.tool = "drop";
    spec.duration_seconds = 10;
    const auto task =
        bed.tasks->Create(spec, {{.node = "n2", .container_id = "c", .name_space = name_space}});
    REQUIRE(task.ok());
    return task->id;
  };
  const std::string ours = made("shop");
  const std::string theirs = made("billing");
  const std::string of_node = made("");
  const auto listed = [&](const std::string& token) {
    const Answer answer = bed.Get("/api/v1/tasks", As(token));
    return boost::json::parse(answer.body).at("items").as_array().size();
  };
  CHECK(listed("all") == 3);
  CHECK(listed("shop") == 1);
  CHECK(listed("two") == 2);
  for (const std::string more : {"", "/result", "/watch"}) {
    CHECK(bed.Get("/api/v1/tasks/" + theirs + more, As("shop")).status == 404);
    CHECK(bed.Get("/api/v1/tasks/" + of_node + more, As("shop")).status == 404);
  }
  CHECK(bed.Get("/api/v1/tasks/" + ours, As("shop")).body.find(R"("namespace":"shop")") !=
        std::string::npos);
  CHECK(bed.Ask("DELETE", "/api/v1/tasks/" + theirs, As("shop")).status == 404);
  CHECK(bed.Ask("DELETE", "/api/v1/tasks/" + ours, As("two")).status == 403);
  CHECK(bed.Ask("DELETE", "/api/v1/tasks/" + ours, As("shop")).status == 200);
  const Answer refused =
      bed.Ask("POST", "/api/v1/tasks", As("shop"),
              R"({"tool":"drop","target":{"nodes":["n2"]},"duration_seconds":10})");
  CHECK(refused.status == 403);
  CHECK(refused.body.find("a container of a pod of such a namespace") != std::string::npos);
}

TEST_CASE("every change that is asked for is written down, with who asked and without secrets") {
  const std::string path = "/tmp/huatuo-audit-test-" + Hex(RandomId());
  ApiOptions options;
  options.authorizer = TokensOf({{"see", Role::kViewer}, {"rule", Role::kAdmin}});
  options.audit_file = path;
  Bed bed(options);
  bed.Get("/api/v1/nodes", As("rule"));
  bed.Ask("PUT", "/api/v1/configuration", As("rule"), R"({"secret":"s3cr3t"})");
  bed.Ask("PUT", "/api/v1/configuration", As("rule"), "{}");
  bed.Ask("PUT", "/api/v1/configuration?x=s3cr3t", As("see"), "{}");
  bed.Ask("DELETE", "/api/v1/tasks/7", As("s3cr3t"), "{}");
  std::string told;
  std::string text;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line); text += line) {
    const auto record = boost::json::parse(line);
    const auto& token = record.at("token");
    told += (token.is_null() ? std::string("-") : std::string(token.as_string())) + " " +
            record.at("method").as_string().c_str() + " " +
            record.at("target").as_string().c_str() + " " +
            std::to_string(record.at("status").as_int64()) + "\n";
    CHECK(record.at("address") == "127.0.0.1");
  }
  CHECK(told ==
        "rule PUT /api/v1/configuration 422\n"
        "rule PUT /api/v1/configuration 200\n"
        "see PUT /api/v1/configuration 403\n"
        "- DELETE /api/v1/tasks/7 401\n");
  CHECK(text.find("s3cr3t") == std::string::npos);
  CHECK(text.find(R"("route":"/api/v1/tasks/{id}")") != std::string::npos);
  std::filesystem::remove(path);
}

TEST_CASE("JSON 10,000 deep is refused with the reason, wherever a body is read") {
  Bed bed;
  bed.AddNode();
  const std::string deep = std::string(10'000, '[') + std::string(10'000, ']');
  const std::pair<const char*, const char*> bodies[] = {{"PUT", "/api/v1/configuration"},
                                                        {"POST", "/api/v1/configuration/rollback"},
                                                        {"PUT", "/api/v1/known_issues"},
                                                        {"POST", "/api/v1/tasks"},
                                                        {"PUT", "/api/v1/nodes/n1/parameters"}};
  for (const auto& [method, path] : bodies) {
    INFO(path);
    const Answer answer = bed.Ask(method, path, "", deep);
    CHECK(answer.status == 400);
    CHECK(answer.body.find("too deep") != std::string::npos);
  }
}

}  // namespace
}  // namespace huatuo
