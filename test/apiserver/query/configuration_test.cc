#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include "test/apiserver/query/bed.h"

namespace huatuo {
namespace {

constexpr char kJson[] = "Content-Type: application/json\r\n";
const std::string kPath = "/api/v1/configuration";

TEST_CASE("configuration: put, read, returned to, and told to the node") {
  Bed bed;
  bed.AddNode();
  const auto put = [&](const std::string& body) {
    return Bed::TextOf(bed.Ask("PUT", kPath, kJson, body));
  };
  CHECK(bed.Text(kPath) ==
        R"(200 {"version":0,"created_time":null,"comment":"","defaults":{},"overrides":[]})");
  CHECK(bed.Text(kPath + "/versions") == R"(200 {"items":[],"next_cursor":null})");
  const std::string first =
      R"({"version":1,"created_time":"2026-11-18T11:06:40.000000000Z","comment":"calm",)"
      R"("defaults":{"oom":{"rate":7,"enabled":true}},)"
      R"("overrides":[{"name":"n","nodes":["n*"],"units":{"oom":{"rate":9}}}]})";
  CHECK(put(R"({"comment":"calm","defaults":{"oom":{"rate":7,"enabled":true}},)"
            R"("overrides":[{"name":"n","nodes":["n*"],"units":{"oom":{"rate":9}}}]})") ==
        "200 " + first);
  REQUIRE(bed.sent.size() == 1);
  CHECK(bed.sent[0].ShortDebugString() ==
        R"(configure { version: 1 units { unit: "oom" values { name: "rate" value: 9 } )"
        R"(enabled: true } })");
  CHECK(bed.Text("/api/v1/nodes").find(R"("configuration":{"state":"pending","version":0,)") !=
        std::string::npos);
  CHECK(put("{}").starts_with(R"(200 {"version":2,)"));
  CHECK(bed.Text(kPath + "/versions/1") == "200 " + first);
  CHECK(Bed::TextOf(bed.Ask("POST", kPath + "/rollback", kJson, R"({"version":1})"))
            .starts_with(R"(200 {"version":3,)"));
  CHECK(bed.sent.size() == 3);
}

TEST_CASE("configuration: what is wrong is named") {
  Bed bed;
  bed.AddNode();
  const auto ask = [&](const std::string& method, const std::string& path,
                       const std::string& body) {
    const auto answer = bed.Ask(method, kPath + path, kJson, body);
    const auto problem = boost::json::parse(answer.body).as_object();
    const auto text = [&problem](const char* member) {
      return problem.contains(member) ? std::string(problem.at(member).as_string()) : "-";
    };
    return std::to_string(answer.status) + " " + text("parameter") + ": " + text("detail") + " (" +
           text("accepted") + ")";
  };
  CHECK(ask("PUT", "", R"({"defaults":{"oom":{"rate":101}}})") ==
        "422 defaults.oom.rate: bad value 101 (an integer from 1 to 100 in events/s)");
  CHECK(ask("PUT", "", R"({"version":7})") ==
        "409 -: version: the newest is 0 by now: read it, and change that (-)");
  CHECK(ask("PUT", "", "{").starts_with("400 "));
  CHECK(ask("POST", "/rollback", R"({"version":7})") ==
        "404 -: no version 7 of the configuration is kept (-)");
  for (const std::string body : {"{}", R"({"version":"1"})", R"({"version":-1})", "[]"}) {
    CHECK(ask("POST", "/rollback", body).ends_with(" (the number of a version that is kept)"));
  }
  CHECK(ask("GET", "/versions/7", "") == "404 -: no version 7 of the configuration is kept (-)");
  CHECK(ask("GET", "/versions/x", "") == "404 -: no version x of the configuration is kept (-)");
  CHECK(bed.sent.empty());
}

TEST_CASE("configuration: to see is a viewer's, to change an admin's") {
  ApiOptions options;
  options.authorizer =
      TokensOf({{"see", Role::kViewer}, {"do", Role::kOperator}, {"rule", Role::kAdmin}});
  Bed bed(options);
  const auto as = [](const std::string& token) {
    return "Authorization: Bearer " + token + "\r\n" + kJson;
  };
  CHECK(bed.Ask("GET", kPath, as("see"), "").status == 200);
  CHECK(bed.Ask("PUT", kPath, as("see"), "{}").status == 403);
  CHECK(bed.Ask("POST", kPath + "/rollback", as("see"), R"({"version":1})").status == 403);
  CHECK(bed.Ask("PUT", kPath, as("do"), "{}").status == 403);
  CHECK(bed.Ask("PUT", kPath, as("rule"), "{}").status == 200);
}

}  // namespace
}  // namespace huatuo
