#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "test/apiserver/query/bed.h"

namespace huatuo {
namespace {

using std::chrono::milliseconds;

TEST_CASE("one connection carries many requests, also sent together") {
  Bed bed;
  Client client(bed.server->address());
  client.Send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\nHEAD /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(client.ReadAnswer().body == R"({"alive":true,"version":"0.1.0"})");
  const Answer head = client.ReadAnswer(true);
  CHECK(head.status == 200);
  CHECK(head.headers.at("content-length") == "32");
  client.Send("GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  CHECK(client.ReadAnswer().status == 200);
  CHECK(client.ReadAll().empty());
}

TEST_CASE("large replies are compressed when the client allows it") {
  Bed bed;
  Answer answer = bed.Get("/", "Accept-Encoding: br, gzip;q=0.5\r\n");
  CHECK(answer.headers.at("content-encoding") == "gzip");
  CHECK(Unzip(answer.body) == bed.Get("/").body);
  CHECK_FALSE(bed.Get("/", "Accept-Encoding: gzip;q=0\r\n").headers.contains("content-encoding"));
  CHECK_FALSE(
      bed.Get("/healthz", "Accept-Encoding: gzip\r\n").headers.contains("content-encoding"));
}

TEST_CASE("malformed and oversized requests are answered and counted") {
  Bed bed;
  const auto ask = [&](const std::string& text) {
    Client client(bed.server->address());
    client.Send(text);
    const Answer answer = client.ReadAnswer();
    return answer.body;
  };
  CHECK(
      ask("nonsense\r\n\r\n") ==
      R"({"type":"about:blank","title":"Bad Request","status":400,"detail":"malformed request: bad method"})");
  CHECK(
      ask("GET /%zz HTTP/1.1\r\n\r\n") ==
      R"({"type":"about:blank","title":"Bad Request","status":400,"detail":"malformed request target"})");
  CHECK(ask("GET / HTTP/1.1\r\nX: " + std::string(20000, 'x') + "\r\n\r\n") ==
        R"({"type":"about:blank","title":"Request Header Fields Too Large","status":431,)"
        R"("detail":"the header is larger than 16384 bytes"})");
  CHECK(ask("PUT /api/v1/nodes/n/parameters HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n") ==
        R"({"type":"about:blank","title":"Content Too Large","status":413,)"
        R"("detail":"the body is larger than 1048576 bytes"})");
  CHECK(bed.Reaches("huatuo_apiserver_http_bad_requests_total", 4));
}

TEST_CASE("100-continue is answered") {
  Bed bed;
  Client client(bed.server->address());
  client.Send(
      "PUT /api/v1/nodes/n/parameters HTTP/1.1\r\nHost: localhost\r\n"
      "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(client.ReadThrough("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("{}");
  CHECK(client.ReadAnswer().status == 404);
}

TEST_CASE("a client that sends slowly is ended") {
  ApiOptions options;
  options.server.header_timeout = options.server.body_timeout = milliseconds(100);
  Bed bed(options);
  Client header(bed.server->address());
  header.Send("GET / HTTP/1.1\r\nX: ");
  Client body(bed.server->address());
  body.Send("PUT /api/v1/nodes/n/parameters HTTP/1.1\r\nContent-Length: 10\r\n\r\n{");
  Client silent(bed.server->address());
  CHECK(header.ReadAll().empty());
  CHECK(body.ReadAll().empty());
  CHECK(silent.ReadAll().empty());
  CHECK(bed.Reaches("huatuo_apiserver_http_timeouts_total", 3));
  CHECK(bed.Get("/healthz").status == 200);
}

TEST_CASE("connections over the limit are refused and counted") {
  ApiOptions options;
  options.server.max_connections = 2;
  Bed bed(options);
  REQUIRE(bed.Reaches("huatuo_apiserver_http_connections", 0));  // its own has closed
  Client first(bed.server->address());
  Client second(bed.server->address());
  first.Send("GET /healthz HTTP/1.1\r\n\r\n");
  second.Send("GET /healthz HTTP/1.1\r\n\r\n");
  CHECK(first.ReadAnswer().status == 200);
  CHECK(second.ReadAnswer().status == 200);
  Client third(bed.server->address());
  CHECK(ParseHead(third.ReadThrough("\r\n\r\n")).status == 503);
  CHECK(bed.Counter("huatuo_apiserver_http_connections_refused_total") == 1);
}

TEST_CASE("connections of one address over its limit are refused, and room is made again") {
  ApiOptions options;
  options.server.max_connections_of_address = 2;
  Bed bed(options);
  REQUIRE(bed.Reaches("huatuo_apiserver_http_connections", 0));  // its own has closed
  {
    Client first(bed.server->address());
    Client second(bed.server->address());
    first.Send("GET /healthz HTTP/1.1\r\n\r\n");
    CHECK(first.ReadAnswer().status == 200);
    // A stream of events has the place of the connection that it came from.
    second.Send("GET /api/v1/events/watch HTTP/1.1\r\n\r\n");
    CHECK(ParseHead(second.ReadThrough("\r\n\r\n")).status == 200);
    Client third(bed.server->address());
    const Answer refusal = ParseHead(third.ReadThrough("\r\n\r\n"));
    CHECK(refusal.status == 429);
    CHECK(refusal.headers.at("retry-after") == "1");
    CHECK(bed.Counter("huatuo_apiserver_http_connections_of_address_refused_total") == 1);
  }
  REQUIRE(bed.Reaches("huatuo_apiserver_http_connections", 0));
  CHECK(bed.Get("/healthz").status == 200);
}

TEST_CASE("requests over the limit are refused until time has passed, those of others are not") {
  ApiOptions options;
  options.requests_per_second = 5;
  options.authorizer = TokensOf({{"a", Role::kViewer}, {"b", Role::kViewer}});
  Bed bed(options);
  const auto status = [&](const std::string& token) {
    return bed.Get("/api/v1/units", "Authorization: Bearer " + token + "\r\n");
  };
  Answer answer = status("a");
  for (int i = 0; i < 100 && answer.status == 200; ++i) answer = status("a");
  CHECK(answer.status == 429);
  CHECK(answer.headers.at("retry-after") == "1");
  CHECK(answer.body.find("too many requests of token a") != std::string::npos);
  CHECK(bed.Counter("huatuo_apiserver_http_requests_limited_total") == 1);
  CHECK(status("b").status == 200);
  // Guessing is limited by the address, whatever is guessed.
  for (int i = 0; i < 100 && answer.status != 401; ++i) answer = status("guess");
  for (int i = 0; i < 100 && answer.status == 401; ++i) answer = status(std::to_string(i));
  CHECK(answer.status == 429);
  CHECK(bed.Get("/healthz").status == 200);
  CHECK(bed.Get("/api/v1/units").status == 429);
}

TEST_CASE("a header that comes byte by byte ends at its deadline, and others do not notice") {
  ApiOptions options;
  options.server.header_timeout = std::chrono::milliseconds(300);
  Bed bed(options);
  Client slow(bed.server->address());
  slow.Send("GET /healthz HTTP/1.1\r\n");
  const auto begin = std::chrono::steady_clock::now();
  while (bed.Counter("huatuo_apiserver_http_timeouts_total") == 0) {
    slow.Send("x");
    REQUIRE(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
    CHECK(bed.Get("/healthz").status == 200);
  }
  CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(300));
  CHECK(slow.ReadAll().empty());
}

std::string Output(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  char text[4096];
  const size_t size = pipe ? fread(text, 1, sizeof(text), pipe) : 0;
  if (pipe) pclose(pipe);
  return {text, size};
}

TEST_CASE("[host] TLS") {
  if (Output("command -v curl && command -v openssl").empty()) {
    WARN("skipped: curl or openssl is not installed");
    return;
  }
  char folder[] = "/tmp/query_test.XXXXXX";
  REQUIRE(mkdtemp(folder));
  ApiOptions options;
  const CertificatePaths paths{std::string(folder) + "/certificate", std::string(folder) + "/key",
                               ""};
  Output(
      fmt::format("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                  "-keyout {} -out {} -days 2 -subj /CN=localhost "
                  "-addext subjectAltName=IP:127.0.0.1 2>&1",
                  paths.key, paths.certificate));
  const auto certificates = LoadCertificates(paths);
  REQUIRE(certificates.ok());
  options.server.tls = std::make_shared<Live<Certificates>>(*certificates);
  FakeQuerier querier;
  MemoryProfileStore profiles;
  MemoryStore facts;
  ManualClock clock;
  Nodes nodes(clock, facts);
  SeriesTable series(clock, 1);
  CommitSignal commits;
  prometheus::Registry registry;
  KnownIssues issues(facts, registry);
  options.server.listen = "127.0.0.1:0";
  MemoryTasks task_store;
  const auto tasks = Tasks::Start({clock, task_store, querier, profiles, nodes, commits, registry});
  REQUIRE(tasks.ok());
  const auto config = LiveConfig::Start(facts, nodes, clock, registry);
  REQUIRE(config.ok());
  const Console console;
  const auto server = ApiServer::Start(options, {querier,
                                                 profiles,
                                                 nodes,
                                                 **config,
                                                 issues,
                                                 **tasks,
                                                 series,
                                                 commits,
                                                 registry,
                                                 clock,
                                                 {},
                                                 console});
  std::filesystem::remove_all(folder);
  REQUIRE(server.ok());
  CHECK(Output(fmt::format("curl -sSk --max-time 10 https://{}/healthz 2>&1",
                           (*server)->address())) == R"({"alive":true,"version":"0.1.0"})");
  querier.Append("oom", "n1", "1");
  FILE* watch = popen(fmt::format("curl -sSkN --max-time 10 https://{}/api/v1/events/watch?after=0",
                                  (*server)->address())
                          .c_str(),
                      "r");
  REQUIRE(watch);
  std::string text;
  for (char line[4096]; !text.starts_with("data: ") && fgets(line, sizeof(line), watch);) {
    text = line;
  }
  CHECK(text == "data: " + EventDocument("oom", "n1", "1") + "\n");
  (*server)->Shutdown();
  std::string rest;
  for (char line[4096]; fgets(line, sizeof(line), watch);) rest += line;
  CHECK(rest == "\nevent: end\ndata: {\"reason\":\"the server stops\"}\n\n");
  CHECK(pclose(watch) == 0);
}

TEST_CASE("shutdown ends idle connections and refuses new ones") {
  Bed bed;
  Client idle(bed.server->address());
  idle.Send("GET /healthz HTTP/1.1\r\n\r\n");
  CHECK(idle.ReadAnswer().status == 200);
  bed.server->Shutdown();
  CHECK(idle.ReadAll().empty());
  CHECK(bed.Counter("huatuo_apiserver_http_connections") == 0);
}

}  // namespace
}  // namespace huatuo
