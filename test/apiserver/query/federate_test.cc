#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "test/apiserver/query/bed.h"

namespace huatuo {
namespace {

TEST_CASE("federation tells what one of the selectors takes") {
  Bed bed;
  bed.AddNode();
  bed.AddGauges("n2", 3);
  CHECK(
      bed.Text("/federate?match[]=huatuo_node_oom_events_total&match[]={of=~\"1|2\",of!=\"2\"}") ==
      R"(200 # HELP huatuo_node_level A level.
# TYPE huatuo_node_level gauge
huatuo_node_level{node="n2",region="dev",of="1",instance=""} 1.5 1795000000250
# HELP huatuo_node_oom_events_total Kills.
# TYPE huatuo_node_oom_events_total counter
huatuo_node_oom_events_total{node="n1",region="dev",instance=""} 3 1795000000250
)");
  CHECK(bed.Text("/federate?match%5B%5D=%7Bnode%3D%22n3%22%7D") == "200 ");
}

TEST_CASE("the parts of a histogram are families of their own") {
  Bed bed;
  bed.AddNode();
  CHECK(bed.Text("/federate?match[]={__name__=~\"huatuo_node_wait.*\",le!~\"1|0.5\"}") ==
        R"(200 # HELP huatuo_node_wait_seconds_bucket Waits.
# TYPE huatuo_node_wait_seconds_bucket untyped
huatuo_node_wait_seconds_bucket{node="n1",region="dev",le="+Inf",instance=""} 4 1795000000250
# HELP huatuo_node_wait_seconds_sum Waits.
# TYPE huatuo_node_wait_seconds_sum untyped
huatuo_node_wait_seconds_sum{node="n1",region="dev",instance=""} 7.5 1795000000250
# HELP huatuo_node_wait_seconds_count Waits.
# TYPE huatuo_node_wait_seconds_count untyped
huatuo_node_wait_seconds_count{node="n1",region="dev",instance=""} 4 1795000000250
)");
  const Answer open = bed.Get("/federate?match[]=huatuo_node_wait_seconds_bucket{le='1.0'}",
                              "Accept: application/openmetrics-text\r\n");
  CHECK(open.body == R"(# HELP huatuo_node_wait_seconds_bucket Waits.
# TYPE huatuo_node_wait_seconds_bucket unknown
huatuo_node_wait_seconds_bucket{node="n1",region="dev",le="1.0",instance=""} 2 1795000000.250
# EOF
)");
}

TEST_CASE("federation has the apiserver's own series") {
  Bed bed;
  CHECK(bed.Text("/federate?match[]=huatuo_apiserver_http_connections") ==
        R"(200 # HELP huatuo_apiserver_http_connections Open HTTP connections.
# TYPE huatuo_apiserver_http_connections gauge
huatuo_apiserver_http_connections{instance=""} 1
)");
  CHECK(
      bed.Text("/federate?match[]=huatuo_apiserver_scrape_seconds_count{route=\"/metrics\"}") ==
      R"(200 # HELP huatuo_apiserver_scrape_seconds_count Time from the request to the last piece )"
      R"(of its reply being made.
# TYPE huatuo_apiserver_scrape_seconds_count untyped
huatuo_apiserver_scrape_seconds_count{route="/metrics",instance=""} 0
)");
}

TEST_CASE("bad selectors are refused with their place") {
  Bed bed;
  const std::string accepted =
      R"("accepted":"name{label=\"value\",…} with =, !=, =~ or !~, at most 16 times"})";
  const auto refusal = [&](const std::string& detail) {
    return R"(400 {"type":"about:blank","title":"Bad Request","status":400,"detail":")" + detail +
           R"(","parameter":"match[]",)" + accepted;
  };
  CHECK(bed.Text("/federate") == refusal("given 0 times"));
  CHECK(bed.Text("/federate?match[]=up&match[]=up{a}") ==
        refusal("up{a}: byte 5: expected =, !=, =~ or !~"));
  std::string many = "/federate?match[]=up";
  for (int i = 0; i < 16; ++i) many += "&match[]=up";
  CHECK(bed.Text(many) == refusal("given 17 times"));
  CHECK(bed.Get("/federate?match=up").status == 400);
}

TEST_CASE("each node is a target of Prometheus' service discovery") {
  Bed bed;
  const std::string own =
      R"({"targets":["localhost:80"],"labels":{"__param_scope":"apiserver",)"
      R"("__meta_huatuo_role":"apiserver","__scheme__":"http","__metrics_path__":"/metrics"}})";
  CHECK(bed.Text("/api/v1/sd") == "200 [" + own + "]");
  bed.AddNode();
  const std::string node =
      R"({"targets":["localhost:80"],"labels":{"instance":"n1","__param_node":"n1",)"
      R"("__meta_huatuo_role":"node","__meta_huatuo_node":"n1","__meta_huatuo_region":"dev",)"
      R"("__meta_huatuo_hostname":"h1","__meta_huatuo_kernel":"6.1.0",)"
      R"("__meta_huatuo_version":"0.1.0","__meta_huatuo_connected":"true","__scheme__":"http",)"
      R"("__metrics_path__":"/metrics"}})";
  CHECK(bed.Text("/api/v1/sd") == "200 [" + own + "," + node + "]");
  CHECK(bed.Text("/api/v1/sd?role=apiserver") == "200 [" + own + "]");
  CHECK(bed.Text("/api/v1/sd?role=node") == "200 [" + node + "]");
  CHECK(bed.Get("/api/v1/sd?role=pod").status == 400);
}

TEST_CASE("targets are where the asker found the server") {
  Bed bed;
  const auto targets = [&](const std::string& host) {
    Client client(bed.server->address());
    client.Send("GET /api/v1/sd?role=apiserver HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    const Answer answer = client.ReadAnswer();
    return std::to_string(answer.status) + " " + answer.body.substr(0, 34);
  };
  CHECK(targets("huatuo.example:12740") == R"(200 [{"targets":["huatuo.example:12740)");
  CHECK(targets("[::1]:12740") == R"(200 [{"targets":["[::1]:12740"],"label)");
  CHECK(targets("[::1]") == R"(200 [{"targets":["[::1]:80"],"labels":)");
  CHECK(targets("a/b").starts_with("400 "));
  CHECK(targets("").starts_with("400 "));
}

}  // namespace
}  // namespace huatuo
