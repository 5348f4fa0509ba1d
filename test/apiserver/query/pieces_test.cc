#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "test/apiserver/query/bed.h"

namespace huatuo {
namespace {

constexpr int kMany = 20000;  // some 2 MB of text

std::string Expected() {
  std::string text = "# HELP huatuo_node_level A level.\n# TYPE huatuo_node_level gauge\n";
  std::vector<std::string> labels;
  for (int i = 0; i < kMany; ++i) labels.push_back(std::to_string(i));
  // In order of the label's text with its quote.
  std::sort(labels.begin(), labels.end(),
            [](const std::string& a, const std::string& b) { return a + '"' < b + '"'; });
  for (const std::string& of : labels) {
    text += fmt::format(
        "huatuo_node_level{{node=\"big\",region=\"dev\",of=\"{}\"}} {}.5 1795000000250\n", of, of);
  }
  return text;
}

double Sample(Bed& bed, const std::string& name, const std::string& route) {
  for (const auto& family : bed.registry.Collect()) {
    if (family.name != name) continue;
    for (const auto& metric : family.metric) {
      if (metric.label.at(0).value == route) return metric.counter.value;
    }
  }
  return -1;
}

TEST_CASE("a large reply comes in chunks, and the connection goes on") {
  Bed bed;
  bed.AddGauges("big", kMany);
  Client client(bed.server->address());
  const std::string get = "GET /metrics?scope=nodes HTTP/1.1\r\nHost: h\r\n";
  client.Send(get + "\r\n" + get + "Accept-Encoding: gzip\r\n\r\n" +
              "HEAD /metrics?scope=nodes HTTP/1.1\r\nHost: h\r\n\r\n" +
              "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
  const Answer plain = client.ReadAnswer();
  CHECK(plain.headers.at("transfer-encoding") == "chunked");
  CHECK_FALSE(plain.headers.contains("content-length"));
  const bool whole = plain.body == Expected();
  CHECK(whole);
  const Answer zipped = client.ReadAnswer();
  CHECK(zipped.headers.at("content-encoding") == "gzip");
  const bool same = Unzip(zipped.body) == plain.body;
  CHECK(same);
  const Answer head = client.ReadAnswer(true);
  CHECK(head.status == 200);
  CHECK_FALSE(head.headers.contains("content-length"));
  CHECK(client.ReadAnswer().body == R"({"alive":true,"version":"0.1.0"})");
  CHECK(Sample(bed, "huatuo_apiserver_scrape_bytes_total", "/metrics") >=
        2.0 * static_cast<double>(plain.body.size()));
  CHECK(Sample(bed, "huatuo_apiserver_scrape_samples_total", "/metrics") >= 2 * kMany);
  CHECK(Sample(bed, "huatuo_apiserver_scrape_cpu_seconds_total", "/metrics") > 0);
}

TEST_CASE("for HTTP/1.0 the end of the connection ends a large reply") {
  Bed bed;
  bed.AddGauges("big", kMany);
  Client client(bed.server->address());
  client.Send("GET /metrics?node=big HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
  const Answer head = client.ReadAnswer(true);
  CHECK_FALSE(head.headers.contains("transfer-encoding"));
  CHECK(head.headers.at("connection") == "close");
  const bool whole = client.ReadAll() == Expected();
  CHECK(whole);
}

TEST_CASE("a client that leaves ends the reply, which is counted") {
  Bed bed;
  for (int i = 0; i < 10; ++i) bed.AddGauges(fmt::format("big{}", i), kMany);
  {
    Client client(bed.server->address());
    client.Send("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(client.ReadThrough("\r\n\r\n").starts_with("HTTP/1.1 200 "));
  }
  CHECK(bed.Reaches("huatuo_apiserver_http_connections", 0));
  CHECK(Sample(bed, "huatuo_apiserver_scrapes_unfinished_total", "/metrics") == 1);
}

TEST_CASE("a client that does not read holds one piece and no thread") {
  ApiOptions options;
  options.server.worker_threads = 1;
  options.server.write_timeout = std::chrono::milliseconds(300);
  Bed bed(std::move(options));
  for (int i = 0; i < 10; ++i) bed.AddGauges(fmt::format("big{}", i), kMany);
  Client slow(bed.server->address());
  slow.Send("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(slow.ReadThrough("\r\n\r\n").starts_with("HTTP/1.1 200 "));
  CHECK(bed.Get("/healthz").status == 200);
  CHECK(bed.Reaches("huatuo_apiserver_http_timeouts_total", 1));
  const std::string all = slow.ReadAll();
  CHECK_FALSE(all.ends_with("0\r\n\r\n"));
}

TEST_CASE("the scope of /metrics") {
  Bed bed;
  bed.AddNode();
  const std::string nodes = bed.Text("/metrics?scope=nodes");
  CHECK(nodes == bed.Text("/metrics?node=n1"));
  CHECK(nodes == bed.Text("/metrics?node=n1&scope=nodes"));
  const std::string own = bed.Text("/metrics?scope=apiserver");
  CHECK(own.find("huatuo_apiserver_http_connections") != std::string::npos);
  CHECK(own.find("huatuo_node_") == std::string::npos);
  CHECK(bed.Text("/metrics?scope=apiserver&node=n1") ==
        R"(400 {"type":"about:blank","title":"Bad Request","status":400,"detail":)"
        R"("a node's series are not the apiserver's","parameter":"scope","accepted":"nodes"})");
  CHECK(bed.Text("/metrics?scope=all") ==
        R"(400 {"type":"about:blank","title":"Bad Request","status":400,"detail":)"
        R"("bad value \"all\"","parameter":"scope","accepted":"one of nodes, apiserver"})");
}

}  // namespace
}  // namespace huatuo
