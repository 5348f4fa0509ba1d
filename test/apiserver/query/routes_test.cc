#include <openssl/evp.h>
#include <zlib.h>

#include <catch2/catch.hpp>

#include "test/apiserver/query/bed.h"

namespace huatuo {
namespace {

std::string Doc(const std::string& id) { return EventDocument("oom", "n1", id); }

TEST_CASE("events: pages and single ones") {
  Bed bed;
  CHECK(bed.Text("/api/v1/events") ==
        R"(200 {"items":[],"next_cursor":null,"newest_position":"0"})");
  bed.querier.Append("oom", "n1", "a");
  bed.querier.Append("oom", "n1", "b");
  bed.querier.Append("oom", "n1", "c");
  const std::string first = bed.Text("/api/v1/events?limit=2");
  CHECK(first == "200 {\"items\":[" + Doc("c") + "," + Doc("b") +
                     R"(],"next_cursor":"2-cbf29ce484222325","newest_position":"3"})");
  CHECK(bed.Text("/api/v1/events?limit=1&cursor=2-cbf29ce484222325") ==
        "200 {\"items\":[" + Doc("a") + R"(],"next_cursor":null,"newest_position":"3"})");
  CHECK(bed.Text("/api/v1/events?order=oldest&tracer=oom&node=n1") ==
        "200 {\"items\":[" + Doc("a") + "," + Doc("b") + "," + Doc("c") +
            R"(],"next_cursor":null,"newest_position":"3"})");
  CHECK(bed.Text("/api/v1/events?tracer=softirq") ==
        R"(200 {"items":[],"next_cursor":null,"newest_position":"3"})");
  CHECK(bed.Text("/api/v1/events/b") == "200 " + Doc("b"));
  CHECK(bed.Text("/api/v1/events/none") ==
        R"(404 {"type":"about:blank","title":"Not Found","status":404,)"
        R"("detail":"no event has the tracer_id none"})");
}

TEST_CASE("events: filters arrive decoded") {
  Bed bed;
  CHECK(bed.Get("/api/v1/events?namespace=kube-system&pod=p%2F1&container=c&task=t&text=a+b%26c"
                "&from=-1h&to=2026-11-18T13:06:40%2B01:00")
            .status == 200);
  CHECK(bed.querier.last_filter().to_ns == bed.clock.wall_ns + 3'600'000'000'000);
  CHECK(bed.Get("/api/v1/events?namespace=kube-system&pod=p%2F1&container=c&task=t&text=a+b%26c"
                "&from=-1h&to=now")
            .status == 200);
  const EventFilter filter = bed.querier.last_filter();
  CHECK(filter.namespace_name == "kube-system");
  CHECK(filter.pod == "p/1");
  CHECK(filter.container == "c");
  CHECK(filter.task_id == "t");
  CHECK(filter.text == "a b&c");
  CHECK(filter.from_ns == bed.clock.wall_ns - 3'600'000'000'000);
  CHECK(filter.to_ns == bed.clock.wall_ns);
}

TEST_CASE("events: counts by step and tracer") {
  Bed bed;
  const int64_t now = bed.clock.wall_ns;  // 2026-11-18T11:06:40Z
  const int64_t minute = 60'000'000'000;
  const int64_t full = now - 40'000'000'000;
  bed.querier.counts = {{full - minute, "net", 1}, {full, "net", 2}, {full, "oom", 3}};
  CHECK(bed.Text("/api/v1/events/counts?from=-2m&to=now&node=n1&tracer=oom") ==
        R"(200 {"step_seconds":60,"items":[)"
        R"({"time":"2026-11-18T11:04:00.000000000Z","counts":{}},)"
        R"({"time":"2026-11-18T11:05:00.000000000Z","counts":{"net":1}},)"
        R"({"time":"2026-11-18T11:06:00.000000000Z","counts":{"net":2,"oom":3}}]})");
  const EventFilter filter = bed.querier.last_filter();
  CHECK(filter.from_ns == now - 2 * minute);
  CHECK(filter.to_ns == now);
  CHECK(filter.node == "n1");
  CHECK(filter.tracer == "oom");
  bed.querier.counts.clear();
  CHECK(bed.Text("/api/v1/events/counts?from=now&to=now&step_seconds=1") ==
        R"(200 {"step_seconds":1,"items":[]})");
  CHECK(bed.Get("/api/v1/events/counts").status == 200);
  CHECK(bed.querier.last_filter().from_ns == now - 60 * minute);
}

TEST_CASE("events: counts of too much") {
  Bed bed;
  const auto problem = [&](const std::string& query) {
    const std::string text = bed.Text("/api/v1/events/counts?" + query);
    return text.substr(text.find(R"("detail")"));
  };
  CHECK(problem("from=-1d&step_seconds=1") ==
        R"("detail":"the range has more than 2000 steps","parameter":"step_seconds",)"
        R"("accepted":"44 or more for this range"})");
  CHECK(bed.Get("/api/v1/events/counts?from=-1d&step_seconds=44").status == 200);
  CHECK(problem("from=1970-01-01T00:00:00Z&to=2250-01-01T00:00:00Z&step_seconds=86400")
            .starts_with(R"("detail":"the range has more than 2000 steps")"));
  CHECK(problem("from=now&to=-1h") == R"("detail":"earlier than from","parameter":"to",)"
                                      R"("accepted":"a time that is not before from"})");
  CHECK(problem("step_seconds=0") == R"("detail":"bad value \"0\"","parameter":"step_seconds",)"
                                     R"("accepted":"an integer from 1 to 2592000"})");
}

TEST_CASE("bad parameters are named") {
  Bed bed;
  const auto problem = [&](const std::string& query) {
    const Answer answer = bed.Get("/api/v1/events?" + query);
    CHECK(answer.headers.at("content-type") == "application/problem+json");
    const std::string head = R"({"type":"about:blank","title":"Bad Request","status":400,)";
    CHECK(answer.body.starts_with(head));
    return answer.body.substr(std::min(head.size(), answer.body.size()));
  };
  CHECK(problem("colour=red") ==
        R"("detail":"unknown query parameter","parameter":"colour","accepted":"tracer, node, )"
        R"(namespace, pod, container, task, text, from, to, limit, order, cursor"})");
  CHECK(
      problem("limit=0") ==
      R"("detail":"bad value \"0\"","parameter":"limit","accepted":"an integer from 1 to 1000"})");
  CHECK(
      problem("limit=1001") ==
      R"("detail":"bad value \"1001\"","parameter":"limit","accepted":"an integer from 1 to 1000"})");
  CHECK(problem("limit=+1").find(R"("parameter":"limit")") != std::string::npos);
  CHECK(problem("order=up") ==
        R"("detail":"bad value \"up\"","parameter":"order","accepted":"one of newest, oldest"})");
  CHECK(problem("from=yesterday") ==
        R"("detail":"bad value \"yesterday\"","parameter":"from","accepted":)"
        R"("an RFC 3339 time, \"now\", or a time ago like -90s, -30m, -1h, -7d"})");
  CHECK(problem("from=-1y").find(R"("parameter":"from")") != std::string::npos);
  CHECK(problem("from=-99999999999999999999d").find(R"("parameter":"from")") != std::string::npos);
  CHECK(
      problem("from=now&to=-1h") ==
      R"("detail":"earlier than from","parameter":"to","accepted":"a time that is not before from"})");
  CHECK(problem("tracer=") ==
        R"("detail":"bad value \"\"","parameter":"tracer","accepted":"text that is not empty"})");
  CHECK(problem("node=a&node=b") ==
        R"("detail":"given twice","parameter":"node","accepted":"text that is not empty"})");
  CHECK(problem("cursor=2-0000000000000000") ==
        R"("detail":"not a cursor of this query","parameter":"cursor",)"
        R"("accepted":"next_cursor of a page of the same query"})");
  CHECK(problem("tracer=oom&cursor=2-cbf29ce484222325").find("not a cursor") != std::string::npos);
  CHECK(bed.Text("/api/v1/nodes?x=1") ==
        R"(400 {"type":"about:blank","title":"Bad Request","status":400,)"
        R"("detail":"unknown query parameter","parameter":"x","accepted":"no parameters"})");
  CHECK(bed.Text("/api/v1/nodes?%CC=1").find("\"parameter\":\"\xEF\xBF\xBD\",") !=
        std::string::npos);
}

TEST_CASE("errors of the store") {
  Bed bed;
  bed.querier.Fail(absl::UnavailableError("disk full"));
  const std::string text =
      R"(503 {"type":"about:blank","title":"Service Unavailable","status":503,"detail":"disk full"})";
  CHECK(bed.Text("/api/v1/events") == text);
  CHECK(bed.Text("/api/v1/events/a") == text);
  CHECK(bed.Text("/api/v1/events/watch") == text);
}

TEST_CASE("nodes and units") {
  Bed bed;
  CHECK(bed.Text("/api/v1/nodes") == R"(200 {"items":[],"next_cursor":null})");
  CHECK(bed.Text("/api/v1/units") == R"(200 {"items":[],"next_cursor":null})");
  bed.AddNode();
  const std::string summary =
      R"("node":"n1","region":"dev","hostname":"h1","kernel":"6.1.0","version":"0.1.0",)"
      R"("connected":true,"connected_time":"2026-11-18T11:06:40.000000000Z",)"
      R"("last_message_time":"2026-11-18T11:06:40.000000000Z","cpus":2,)"
      R"("overhead_ratio":2E-3,"budget_ratio":1E-2,"lost":2,"shed":["stacks"],"configuration":{"state":"applied","version":0,"refused":[]},)";
  CHECK(bed.Text("/api/v1/nodes") ==
        "200 {\"items\":[{" + summary +
            R"("units":[{"unit":"oom","instance":"always","state":"running","reason":""}]}],)"
            R"("next_cursor":null})");
  CHECK(
      bed.Text("/api/v1/nodes/n1") ==
      "200 {" + summary +
          R"("units":[{"unit":"oom","instance":"always","state":"running","mechanism":"fentry",)"
          R"("lacks":"","reason":"","counters":{"emitted":7,"refused":2,"ring_full":1},)"
          R"("parameters":[{"name":"rate","help":"Most a second.","unit":"events/s",)"
          R"("default":10,"minimum":1,"maximum":100,"value":20}],"filter":null}],)"
          R"("boot_id":"b","epoch":"30313233343536373839616263646566","status_time":null,)"
          R"("programs":[{"unit":"oom","instance":"always","program":"oom_kill","runs":4,"run_ns":2000,)"
          R"("ns_per_run":5E2,"cpu_ratio":1E-4,"map_bytes":64,"recursion_misses":2}],)"
          R"("losses":[{"unit":"oom","cause":"rate","count":2}],)"
          R"("collector":{"cpu_seconds":1.5E0,"rss_bytes":1000,"peak_rss_bytes":2000,)"
          R"("map_bytes":64,"spool_bytes":5,"spool_limit_bytes":100,"spooled_entries":1,)"
          R"("containers":3},"server":{"events":8,"rejected":0,"missing":1,"high_water":9,)"
          R"("session":1,"clock_skew_seconds":-1.5E0,"refused_units":[]}})");
  CHECK(bed.Text("/api/v1/units") ==
        R"(200 {"items":[{"name":"oom","help":"Kills.","events":[{"name":"oom","help":"A kill.",)"
        R"("fields":[{"name":"victim_pid","help":"Pid.","type":"uint"}]}],)"
        R"("metrics":[{"name":"huatuo_node_oom_events_total","help":"Kills.","type":"counter",)"
        R"("labels":[],"container":false},{"name":"huatuo_node_wait_seconds","help":"Waits.",)"
        R"("type":"histogram","labels":[],"container":false}],)"
        R"("parameters":[{"name":"rate","help":"Most a second.","unit":"events/s","default":10,)"
        R"("minimum":1,"maximum":100}],"profiles":[],"task":false,"filter":""}],)"
        R"("next_cursor":null})");
  CHECK(
      bed.Text("/api/v1/nodes/n2") ==
      R"(404 {"type":"about:blank","title":"Not Found","status":404,"detail":"no node is called n2"})");
}

TEST_CASE("parameters: a node is asked, and its answer told") {
  Bed bed;
  bed.AddNode();
  const std::string path = "/api/v1/nodes/n1/parameters";
  const auto put = [&](const std::string& body) {
    return Bed::TextOf(bed.Ask("PUT", path, "Content-Type: application/json\r\n", body));
  };
  bed.node_reply->set_accepted(true);
  CHECK(put(R"({"unit":"oom","values":{"rate":50}})") == R"(200 {"accepted":true,"reason":""})");
  REQUIRE(bed.sent.size() == 1);
  CHECK(bed.sent[0].set_parameters().unit() == "oom");
  CHECK(bed.sent[0].set_parameters().values(0).name() == "rate");
  CHECK(bed.sent[0].set_parameters().values(0).value() == 50);
  bed.node_reply->set_accepted(false);
  bed.node_reply->set_reason("not now");
  const std::string conflict = R"(409 {"type":"about:blank","title":"Conflict","status":409,)";
  CHECK(put(R"({"unit":"oom","values":{"rate":50}})") ==
        conflict + R"("detail":"the node refused: not now"})");
  bed.node_reply.reset();
  CHECK(put(R"({"unit":"oom","values":{"rate":50}})").starts_with("503 "));
  bed.nodes.Disconnect("n1", bed.nodes.Find("n1")->session);
  CHECK(put(R"({"unit":"oom","values":{"rate":50}})") ==
        conflict + R"("detail":"node n1 is not connected"})");
  CHECK(Bed::TextOf(bed.Ask("PUT", "/api/v1/nodes/n2/parameters", "", "{}")).starts_with("404 "));
}

TEST_CASE("parameters: what is wrong is named") {
  Bed bed;
  bed.AddNode();
  const auto put = [&](const std::string& body) {
    const std::string text = Bed::TextOf(bed.Ask("PUT", "/api/v1/nodes/n1/parameters", "", body));
    const std::string head =
        R"(422 {"type":"about:blank","title":"Unprocessable Content","status":422,"detail":)";
    return text.starts_with(head) ? text.substr(head.size()) : text;
  };
  CHECK(put(R"({"unit":"oops","values":{"rate":50}})") ==
        R"("the node has no unit oops","parameter":"unit","accepted":"one of oom"})");
  CHECK(put(R"({"values":{"rate":50}})") ==
        R"("not a string","parameter":"unit","accepted":"one of oom"})");
  CHECK(
      put(R"({"unit":"oom","values":{"ratio":50}})") ==
      R"("the unit oom has no such parameter","parameter":"values.ratio","accepted":"one of rate"})");
  const std::string range =
      R"(,"parameter":"values.rate","accepted":"an integer from 1 to 100 in events/s"})";
  CHECK(put(R"({"unit":"oom","values":{"rate":0}})") == R"("bad value 0")" + range);
  CHECK(put(R"({"unit":"oom","values":{"rate":101}})") == R"("bad value 101")" + range);
  CHECK(put(R"({"unit":"oom","values":{"rate":-1}})") == R"("bad value -1")" + range);
  CHECK(put(R"({"unit":"oom","values":{"rate":1.5}})") == R"("bad value 1.5E0")" + range);
  CHECK(put(R"({"unit":"oom","values":{"rate":"5"}})") == R"("bad value \"5\"")" + range);
  CHECK(put(R"({"unit":"oom","values":{}})") ==
        R"("not an object with members","parameter":"values",)"
        R"("accepted":"{\"unit\": name, \"values\": {parameter: integer, \"filter\": text, )"
        R"(\"enabled\": true or false}}"})");
  CHECK(put(R"({"unit":"oom","value":{}})") ==
        R"("unknown member","parameter":"value","accepted":"unit, values"})");
  CHECK(put("[]").starts_with(R"("the body is not an object")"));
  CHECK(put("{").starts_with("400 "));
  CHECK(
      bed.Ask("PUT", "/api/v1/nodes/n1/parameters", "Content-Type: text/plain\r\n", "{}").status ==
      415);
  CHECK(bed.sent.empty());
}

TEST_CASE("parameters: the filter of a unit that has one") {
  Bed bed;
  bed.AddNode();
  bed.nodes.Update("n1", bed.nodes.Find("n1")->session, [](NodeState& node) {
    v1::Catalog catalog = *node.catalog;
    catalog.mutable_units(0)->set_filter("packet");
    node.catalog = std::make_shared<const v1::Catalog>(std::move(catalog));
    node.status.mutable_units(0)->set_filter("udp");
  });
  const auto put = [&](const std::string& values) {
    return Bed::TextOf(bed.Ask("PUT", "/api/v1/nodes/n1/parameters",
                               "Content-Type: application/json\r\n",
                               R"({"unit":"oom","values":)" + values + "}"));
  };
  CHECK(bed.Text("/api/v1/nodes/n1").find(R"("value":20}],"filter":"udp")") != std::string::npos);
  bed.node_reply->set_accepted(true);
  CHECK(put(R"({"filter":"tcp and port 80","rate":50})").starts_with("200 "));
  CHECK(put(R"({"filter":""})").starts_with("200 "));
  REQUIRE(bed.sent.size() == 2);
  CHECK(bed.sent[0].set_parameters().filter() == "tcp and port 80");
  CHECK(bed.sent[0].set_parameters().values_size() == 1);
  CHECK(bed.sent[1].set_parameters().has_filter());
  CHECK(put(R"({"filter":"tcp and prot 80"})").find(R"("detail":"column 9: \"prot\": )") !=
        std::string::npos);
  CHECK(put(R"({"filter":7})").find(R"("detail":"bad value 7","parameter":"values.filter")") !=
        std::string::npos);
  CHECK(bed.sent.size() == 2);
}

TEST_CASE("known issues are put, read, and refused with where and why") {
  Bed bed;
  const auto put = [&](const std::string& body) {
    return Bed::TextOf(
        bed.Ask("PUT", "/api/v1/known_issues", "Content-Type: application/json\r\n", body));
  };
  const std::string rules =
      R"({"items":[{"name":"n","tracer":"oom","match":{"comm":"^a"},"action":"label","matched":0}],)"
      R"("next_cursor":null})";
  CHECK(bed.Text("/api/v1/known_issues") == R"(200 {"items":[],"next_cursor":null})");
  CHECK(put(rules) == "200 " + rules);
  CHECK(bed.Text("/api/v1/known_issues") == "200 " + rules);
  CHECK(put(R"({"items":[{"name":"n","match":{"comm":"("},"action":"label"}]})") ==
        R"(422 {"type":"about:blank","title":"Unprocessable Content","status":422,)"
        R"("detail":"missing ): ( at \"(\"","parameter":"items[0].match.comm",)"
        R"("accepted":"a regular expression in RE2 syntax of 1 to 512 bytes"})");
  CHECK(put("{").starts_with("400 "));
  CHECK(bed.Text("/api/v1/known_issues") == "200 " + rules);
}

TEST_CASE("unknown paths and methods") {
  Bed bed;
  CHECK(
      bed.Text("/api/v1/nodes/") ==
      R"(404 {"type":"about:blank","title":"Not Found","status":404,"detail":"no such path: /api/v1/nodes/"})");
  CHECK(bed.Text("/etc/../passwd").starts_with("404 "));
  const Answer answer = bed.Ask("POST", "/api/v1/events", "", "{}");
  CHECK(answer.headers.at("allow") == "GET, HEAD");
  CHECK(Bed::TextOf(answer) ==
        R"(405 {"type":"about:blank","title":"Method Not Allowed","status":405,)"
        R"("detail":"POST is not served here, only GET, HEAD"})");
  CHECK(bed.Ask("GET", "/api/v1/nodes/n1/parameters").headers.at("allow") == "PUT");
}

TEST_CASE("health") {
  Bed bed;
  CHECK(bed.Text("/healthz") == R"(200 {"alive":true,"version":"0.1.0"})");
  CHECK(bed.Text("/readyz") == R"(200 {"ready":true,"checks":[{"name":"ingest","ok":true}]})");
  bed.stall = "no commit for 30 s";
  CHECK(
      bed.Text("/readyz") ==
      R"(503 {"ready":false,"checks":[{"name":"ingest","ok":false,"reason":"no commit for 30 s"}]})");
}

TEST_CASE("metrics") {
  Bed bed;
  bed.AddNode();
  const std::string node = R"(# HELP huatuo_node_oom_events_total Kills.
# TYPE huatuo_node_oom_events_total counter
huatuo_node_oom_events_total{node="n1",region="dev"} 3 1795000000250
# HELP huatuo_node_wait_seconds Waits.
# TYPE huatuo_node_wait_seconds histogram
huatuo_node_wait_seconds_bucket{node="n1",region="dev",le="0.5"} 1 1795000000250
huatuo_node_wait_seconds_bucket{node="n1",region="dev",le="1"} 2 1795000000250
huatuo_node_wait_seconds_bucket{node="n1",region="dev",le="+Inf"} 4 1795000000250
huatuo_node_wait_seconds_sum{node="n1",region="dev"} 7.5 1795000000250
huatuo_node_wait_seconds_count{node="n1",region="dev"} 4 1795000000250
)";
  CHECK(bed.Text("/metrics?node=n1") == "200 " + node);
  CHECK(bed.Text("/metrics?node=n2") == "200 ");
  const Answer all = bed.Get("/metrics");
  CHECK(all.headers.at("content-type") == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(all.body.starts_with(node));
  CHECK(all.body.find("\nhuatuo_apiserver_http_requests_total{code=\"200\",method=\"GET\","
                      "route=\"/metrics\"} 2\n") != std::string::npos);
  const Answer open = bed.Get("/metrics?node=n1", "Accept: application/openmetrics-text\r\n");
  CHECK(open.headers.at("content-type") ==
        "application/openmetrics-text; version=1.0.0; charset=utf-8");
  CHECK(
      open.body.ends_with("huatuo_node_wait_seconds_created{node=\"n1\",region=\"dev\"} "
                          "1794999999.000 1795000000.250\n# EOF\n"));
}

TEST_CASE("the page runs its own script only") {
  Bed bed;
  const Answer page = bed.Get("/");
  CHECK(page.status == 200);
  CHECK(page.headers.at("content-type") == "text/html; charset=utf-8");
  CHECK(page.body.starts_with("<!doctype html>"));
  CHECK(page.body.find("innerHTML") == std::string::npos);
  CHECK(page.body.find("http://") == std::string::npos);
  CHECK(page.body.find("https://") == std::string::npos);
  const size_t begin = page.body.find("<script>") + 8;
  const std::string script = page.body.substr(begin, page.body.find("</script>") - begin);
  unsigned char hash[32];
  unsigned char text[64];
  EVP_Digest(script.data(), script.size(), hash, nullptr, EVP_sha256(), nullptr);
  EVP_EncodeBlock(text, hash, sizeof(hash));
  const std::string policy = page.headers.at("content-security-policy");
  CHECK(policy.starts_with("default-src 'none'; script-src 'sha256-" +
                           std::string(reinterpret_cast<char*>(text)) + "'; style-src 'sha256-"));
}

TEST_CASE("roles") {
  ApiOptions options;
  options.authorizer = TokensOf({{"see", Role::kViewer}, {"do", Role::kOperator}});
  Bed bed(options);
  const auto as = [](const std::string& token) {
    return "Authorization: Bearer " + token + "\r\n";
  };
  const Answer nobody = bed.Get("/api/v1/nodes");
  CHECK(nobody.headers.at("www-authenticate") == "Bearer");
  CHECK(
      Bed::TextOf(nobody) ==
      R"(401 {"type":"about:blank","title":"Unauthorized","status":401,"detail":"a bearer token is needed"})");
  CHECK(bed.Get("/api/v1/nodes", as("wrong")).status == 401);
  CHECK(bed.Get("/api/v1/nodes", as("see")).status == 200);
  CHECK(bed.Get("/readyz").status == 200);
  CHECK(bed.Get("/").status == 200);
  const std::string path = "/api/v1/nodes/n1/parameters";
  CHECK(
      Bed::TextOf(bed.Ask("PUT", path, as("see"), "{}")) ==
      R"(403 {"type":"about:blank","title":"Forbidden","status":403,"detail":"the role operator is needed"})");
  CHECK(bed.Ask("PUT", path, as("do"), "{}").status == 404);
}

TEST_CASE("roles: who the caller is") {
  ApiOptions options;
  options.authorizer = TokensOf({{"see", Role::kViewer}, {"shop", Role::kAdmin, {"shop", "a"}}});
  Bed bed(options);
  CHECK(bed.Get("/api/v1/self").status == 401);
  CHECK(Bed::TextOf(bed.Get("/api/v1/self", "Authorization: Bearer see\r\n")) ==
        R"(200 {"token":"see","role":"viewer","namespaces":[]})");
  CHECK(Bed::TextOf(bed.Get("/api/v1/self", "Authorization: Bearer shop\r\n")) ==
        R"(200 {"token":"shop","role":"admin","namespaces":["shop","a"]})");
  CHECK(Bed().Text("/api/v1/self") == R"(200 {"token":null,"role":"admin","namespaces":[]})");
}

TEST_CASE("without tokens a change must come by a loopback name") {
  Bed bed;
  Client client(bed.server->address());
  client.Send(
      "PUT /api/v1/nodes/n1/parameters HTTP/1.1\r\nHost: evil.example:80\r\n"
      "Content-Length: 2\r\n\r\n{}");
  CHECK(client.ReadAnswer().status == 403);
  CHECK(bed.Ask("PUT", "/api/v1/nodes/n1/parameters", "", "{}").status == 404);
}

TEST_CASE("options that do not fit") {
  Bed bed;
  const auto start = [&](const ApiOptions& options) {
    const auto server = ApiServer::Start(options, {bed.querier,
                                                   bed.profiles,
                                                   bed.nodes,
                                                   *bed.config,
                                                   bed.issues,
                                                   *bed.tasks,
                                                   bed.series,
                                                   bed.commits,
                                                   bed.registry,
                                                   bed.clock,
                                                   {},
                                                   bed.console});
    return std::string(server.status().message());
  };
  ApiOptions options;
  options.server.listen = "0.0.0.0:0";
  CHECK(start(options) == "listen 0.0.0.0:0: not a loopback address, and there are no tokens");
  options.authorizer = TokensOf({{"t", Role::kViewer}});
  options.server.listen = "here";
  CHECK(start(options) == "listen \"here\": not ADDRESS:PORT, like 127.0.0.1:12740 or [::1]:12740");
  options.server.listen = "127.0.0.1:0";
  options.server.tls = std::make_shared<Live<Certificates>>(Certificates{"no", "no", ""});
  CHECK(start(options).starts_with("TLS certificate: "));
}

}  // namespace
}  // namespace huatuo
