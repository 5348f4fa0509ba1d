#include "collector/ship/stream.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <mutex>
#include <set>

#include "collector/ship/session.h"
#include "common/id.h"
#include "common/status.h"
#include "fake_node.h"

namespace huatuo {
namespace {

bool AllDifferent(const std::vector<v1::Entry>& entries) {
  std::set<std::string> ids;
  for (const v1::Entry& entry : entries) {
    ids.insert(entry.event().tracer_id());
  }
  return ids.size() == entries.size();
}

grpc::Status Fine(const v1::FromNode& /*message*/, FakeServer::Wire& /*wire*/) {
  return grpc::Status::OK;
}

}  // namespace

TEST_CASE("hello, catalog, entries, status; the second stream needs no catalog") {
  FakeServer server;
  Folder folder;
  Node node(server.target(), folder / "spool");
  node.PushMany(3);
  Stream& stream = node.Start();
  REQUIRE(Eventually([&] { return node.outbox->Drained(); }));
  CHECK(Text(server.stored()) == "1..3");
  v1::Hello hello = server.hellos().at(0);
  CHECK(hello.protocol() == 1);
  CHECK(hello.node() == "n1");
  CHECK(hello.epoch().size() == 16);
  CHECK(hello.next_sequence() == 1);
  CHECK(hello.catalog_sha256() == Sha256(MakeCatalog().SerializeAsString()));
  CHECK(server.messages(v1::FromNode::kCatalog).size() == 1);
  server.Down();
  node.PushMany(2);
  server.Up();
  REQUIRE(Eventually([&] { return node.outbox->Drained(); }));
  CHECK(Text(server.stored()) == "1..5");
  CHECK(server.hellos().back().next_sequence() == 4);
  CHECK(server.messages(v1::FromNode::kCatalog).size() == 1);
  REQUIRE(Eventually([&] { return server.messages(v1::FromNode::kStatus).size() >= 2; }));
  CHECK(stream.Count().streams == 2);
  CHECK(stream.Count().connected);
}

TEST_CASE("a stream that is cut again and again stores everything once, in order") {
  FakeServer server;
  Folder folder;
  Node node(server.target(), folder / "spool");
  node.options.session.batch.entries = 7;
  node.options.session.window = 50;
  std::atomic<int> batches = 0;
  server.Play([&](const v1::FromNode& message, FakeServer::Wire&) {
    // Stored, but never acked on this stream: the high-water mark is what tells.
    bool cut = message.has_entries() && ++batches % 11 == 0;
    return cut ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut") : grpc::Status::OK;
  });
  node.Start();
  node.PushMany(2003);
  REQUIRE(Eventually([&] { return node.outbox->Drained(); }));
  CHECK(Text(server.stored()) == "1..2003");
  CHECK(AllDifferent(server.stored()));
  CHECK(server.broken_rules() == 0);
  CHECK(node.stream->Count().ended >= 20);
  CHECK(node.stream->Count().entries_sent >= 2003);
}

TEST_CASE("what an earlier process left comes first, in its own epoch") {
  FakeServer server;
  Folder folder;
  {
    Node node(server.target(), folder / "spool");
    node.PushMany(5);
  }
  Node node(server.target(), folder / "spool");
  node.PushMany(2);
  node.Start();
  REQUIRE(Eventually([&] { return node.outbox->Drained(); }));
  CHECK(Text(server.stored()) == "1..5 1:not_observed 2..3");
  std::vector<v1::Hello> hellos = server.hellos();
  REQUIRE(hellos.size() == 2);
  CHECK(hellos[0].epoch() != hellos[1].epoch());
  CHECK(node.stream->Count().ended == 0);
}

TEST_CASE("a refusal is counted, waited out and tried again") {
  FakeServer server;
  Folder folder;
  Node node(server.target(), folder / "spool");
  std::atomic<int> refusals = 0;
  server.Play([&](const v1::FromNode& message, FakeServer::Wire&) {
    bool refuse = message.has_entries() && ++refusals <= 2;
    return refuse ? grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "entry 1: bad")
                  : grpc::Status::OK;
  });
  node.PushMany(1);
  node.Start();
  REQUIRE(Eventually([&] { return node.stream->Count().refused >= 1; }));
  REQUIRE(Eventually([&] { return node.outbox->Drained(); }));
  CHECK(node.stream->Count().entries_sent <= 3);
}

TEST_CASE("the next apiserver is tried when one is away; what was acked is not sent again") {
  // Each has a store of its own, which the other's events are missing in.
  FakeServer one;
  FakeServer other;
  Folder folder;
  Node node("", folder / "spool");
  node.options.targets =
      std::make_shared<Targets>(std::vector<std::string>{one.target(), other.target()});
  node.PushMany(3);
  node.Start();
  REQUIRE(Eventually([&] { return node.outbox->Drained(); }));
  CHECK(Text(one.stored()) == "1..3");
  one.Down();
  node.PushMany(2);
  REQUIRE(Eventually([&] { return node.outbox->Drained(); }));
  CHECK(Text(other.stored()) == "1-3:server_lost 4..5");
  one.Up();
  other.Down();
  node.PushMany(1);
  REQUIRE(Eventually([&] { return node.outbox->Drained(); }));
  CHECK(Text(one.stored()) == "1..3 4-5:server_lost 6");
}

TEST_CASE("who is told that another has its name waits long, and tries no other apiserver") {
  FakeServer one;
  FakeServer other;
  Folder folder;
  Node node("", folder / "spool");
  node.options.targets =
      std::make_shared<Targets>(std::vector<std::string>{one.target(), other.target()});
  one.Play([&](const v1::FromNode&, FakeServer::Wire&) {
    return grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "node n1: another collector");
  });
  node.options.backoff_min = node.options.backoff_max = std::chrono::seconds(1);
  node.Start();
  REQUIRE(Eventually([&] { return node.stream->Count().refused >= 2; }));
  CHECK(other.hellos().empty());
}

TEST_CASE("addresses are read from lists, each once") {
  const auto text = [](const std::vector<std::string>& texts) {
    const auto addresses = ReadTargets(texts);
    return addresses.ok() ? fmt::format("{}", fmt::join(*addresses, " "))
                          : Message(addresses.status());
  };
  CHECK(text({"a:1,b:2", " c:3 ,a:1", "[::1]:4"}) == "a:1 b:2 c:3 [::1]:4");
  CHECK(text({"a:1,b"}) == "apiserver: \"b\": accepted is host:port, several separated by commas");
  CHECK(text({"a:"}) == "apiserver: \"a:\": accepted is host:port, several separated by commas");
  CHECK(text({" ,"}) == "apiserver: names none: accepted is host:port");
}

TEST_CASE("no server: attempts are few, nothing is lost, Stop returns") {
  Folder folder;
  FakeServer server;
  server.Down();
  Node node(server.target(), folder / "spool");
  node.options.backoff_min = std::chrono::milliseconds(20);
  node.options.backoff_max = std::chrono::milliseconds(100);
  node.options.drain = std::chrono::milliseconds(50);
  node.PushMany(3);
  auto enough = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  node.Start();
  REQUIRE(Eventually([&] { return std::chrono::steady_clock::now() > enough; }));
  REQUIRE(Eventually([&] { return node.stream->Count().ended >= 5; }));
  node.stream->Stop();
  // About 20 are expected; without waiting it would be thousands.
  CHECK(node.stream->Count().ended <= 200);
  CHECK(!node.stream->Count().connected);
  CHECK(node.outbox->Count().spool.entries == 3);
}

TEST_CASE("Stop delivers what is left") {
  FakeServer server;
  Folder folder;
  Node node(server.target(), folder / "spool");
  node.Start();
  REQUIRE(Eventually([&] { return node.stream->Count().connected; }));
  node.PushMany(5000);
  node.stream->Stop();
  CHECK(Text(server.stored()) == "1..5000");
  CHECK(node.outbox->Drained());
}

TEST_CASE("the token of the file goes with the stream") {
  FakeServer server;
  Folder folder;
  std::ofstream(folder / "token") << "secret\n" << std::flush;
  Node node(server.target(), folder / "spool");
  node.options.link.token_file = folder / "token";
  node.Start();
  REQUIRE(Eventually([&] { return node.stream->Count().connected; }));
  CHECK(server.authorization() == "Bearer secret");
}

TEST_CASE("a missing token file or certificate is an error, not a crash") {
  Folder folder;
  Node node("127.0.0.1:1", folder / "spool");
  struct : LinkListener {
    void OnMessage(std::string) override {}
    void OnWritten() override {}
    void OnEnded() override {}
  } listener;
  CHECK(Message(OpenLink({.target = "127.0.0.1:1", .token_file = folder / "none"}, listener)
                    .status()) == (folder / "none") + ": cannot be read");
  CHECK(Message(OpenLink({.target = "127.0.0.1:1", .tls = true, .ca_file = folder / "ca"}, listener)
                    .status()) == (folder / "ca") + ": cannot be read");
}

namespace {

// A key and a certificate that is its own authority, NAME.key and NAME.pem. False: no openssl here.
bool MakeCertificate(const std::string& name) {
  std::string command = fmt::format(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
      "-subj /CN=localhost -addext subjectAltName=DNS:localhost "
      "-keyout {}.key -out {}.pem 2>/dev/null",
      name, name);
  return system(command.c_str()) == 0;
}

std::string FileText(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("[host] TLS both ways: who has no certificate of ours is not let in") {
  Folder folder;
  if (!MakeCertificate(folder / "server") || !MakeCertificate(folder / "client")) {
    WARN("skipped: no openssl command");
    return;
  }
  grpc::SslServerCredentialsOptions ssl(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ssl.pem_root_certs = FileText(folder / "client.pem");
  ssl.pem_key_cert_pairs.push_back(
      {FileText(folder / "server.key"), FileText(folder / "server.pem")});
  FakeServer server(grpc::SslServerCredentials(ssl));
  Node node(server.target(), folder / "spool");
  node.options.link.tls = true;
  node.options.link.ca_file = folder / "server.pem";
  node.options.link.server_name = "localhost";
  node.PushMany(3);
  node.Start();
  REQUIRE(Eventually([&] { return node.stream->Count().ended >= 3; }));
  CHECK(node.stream->Count().streams == 0);
  node.stream->Stop();
  node.options.link.certificate_file = folder / "client.pem";
  node.options.link.key_file = folder / "client.key";
  node.Start();
  REQUIRE(Eventually([&] { return node.outbox->Drained(); }));
  CHECK(Text(server.stored()) == "1..3");
}

TEST_CASE("metrics of a new stream are announced again") {
  FakeServer server;
  Folder folder;
  Node node(server.target(), folder / "spool");
  node.Start();
  auto batches = [&] { return server.messages(v1::FromNode::kMetrics); };
  node.series.Set({.unit = 0}, 1);
  node.series.EndRound(1);
  REQUIRE(Eventually([&] { return batches().size() == 1; }));
  node.series.Set({.unit = 0}, 1);
  node.series.EndRound(2);
  REQUIRE(Eventually([&] { return batches().size() == 2; }));
  server.Down();
  server.Up();
  REQUIRE(Eventually([&] { return batches().size() == 3; }));
  CHECK(batches()[0].metrics().announce_size() == 1);
  CHECK(batches()[1].metrics().announce_size() == 0);
  CHECK(batches()[1].metrics().samples().complete());
  CHECK(batches()[2].metrics().announce_size() == 1);
  CHECK(batches()[2].metrics().samples().values(0) == 1);
}

namespace {

// A session without a connection, in a time of its own.
struct Talk {
  Talk() : outbox(*Outbox::Open({.spool = {.folder = folder.path()}}, Clock::Real())) {
    context.catalog = MakeCatalog();
    context.clock = &Clock::Real();
    context.options.window = 10;
    session.emplace(context, *outbox, series, counters);
  }
  void PushMany(int count) {
    for (int i = 0; i < count; ++i) {
      outbox->Push(MakeEvent("x"));
    }
  }
  // The kinds of all messages that it has to say now; entries with their number.
  std::string Say() {
    std::string text;
    while (auto message = session->Next(now)) {
      text += text.empty() ? "" : " ";
      text +=
          message->has_entries()
              ? fmt::format("entries({})", message->entries().entries_size())
              : std::string(
                    message->GetDescriptor()->FindFieldByNumber(message->message_case())->name());
    }
    return text;
  }
  std::string Hear(const v1::ToNode& message) { return Message(session->Receive(message, now)); }
  std::string Welcome(uint64_t high_water = 0, bool catalog = false) {
    v1::ToNode message;
    message.mutable_welcome()->set_high_water(high_water);
    message.mutable_welcome()->set_catalog_needed(catalog);
    return Hear(message);
  }
  std::string Ack(uint64_t sequence) {
    v1::ToNode message;
    message.mutable_ack()->set_sequence(sequence);
    return Hear(message);
  }
  std::string SlowDown(uint32_t rate) {
    v1::ToNode message;
    message.mutable_slow_down()->set_entries_per_second(rate);
    return Hear(message);
  }
  Folder folder;
  std::unique_ptr<Outbox> outbox;
  SeriesWriter series;
  SessionContext context;
  ShipCounters counters;
  std::optional<Session> session;
  Session::Time now = std::chrono::steady_clock::now();
};

}  // namespace

TEST_CASE("a window bounds what is in flight") {
  Talk talk;
  talk.PushMany(25);
  CHECK(talk.Say() == "hello");
  CHECK(talk.Welcome(0, true).empty());
  CHECK(talk.Say() == "catalog entries(10) status");
  CHECK(talk.Ack(4).empty());
  CHECK(talk.Say() == "entries(4)");
  CHECK(talk.Ack(14).empty());
  CHECK(talk.Say() == "entries(10)");
  CHECK(talk.Ack(99) == "ack of 99, sent up to 24");
}

TEST_CASE("a server that breaks the rules ends the stream") {
  Talk early;
  early.Say();
  CHECK(early.Ack(1) == "server: no welcome first");
  CHECK(early.Welcome(5) == "welcome: high_water 5 of 0 entries");
  Talk twice;
  twice.Say();
  CHECK(twice.Welcome().empty());
  CHECK(twice.Welcome() == "server: second welcome");
}

TEST_CASE("asked to slow down, entries keep to the rate and metrics to one round of four") {
  Talk talk;
  talk.context.options.window = 1000;
  talk.PushMany(100);
  CHECK(talk.Say() == "hello");
  CHECK(talk.Welcome().empty());
  CHECK(talk.SlowDown(10).empty());
  CHECK(talk.Say() == "entries(10) status");
  CHECK(talk.Say().empty());
  talk.now += std::chrono::milliseconds(500);
  CHECK(talk.Say() == "entries(5)");
  CHECK(talk.session->WakeAt(talk.now) <= talk.now + std::chrono::milliseconds(101));
  for (int round = 1; round <= 3; ++round) {
    talk.series.EndRound(round);
    CHECK(talk.Say().empty());
  }
  talk.series.EndRound(4);
  CHECK(talk.Say() == "metrics");
  CHECK(talk.counters.rounds_skipped == 3);
  CHECK(talk.SlowDown(0).empty());
  CHECK(talk.Say() == "entries(85)");
  talk.series.EndRound(5);
  CHECK(talk.Say() == "metrics");
}

TEST_CASE("latency from Push to the server", "[.bench]") {
  FakeServer server;
  Folder folder;
  Node node(server.target(), folder / "spool");
  node.Start();
  server.Play(Fine);
  std::vector<int64_t> micros;
  for (size_t i = 1; i <= 2000; ++i) {
    auto began = std::chrono::steady_clock::now();
    node.PushMany(1);
    while (server.size() < i) {
      std::this_thread::yield();
    }
    micros.push_back((std::chrono::steady_clock::now() - began) / std::chrono::microseconds(1));
  }
  std::sort(micros.begin(), micros.end());
  auto began = std::chrono::steady_clock::now();
  node.PushMany(200'000);
  REQUIRE(Eventually([&] { return node.outbox->Drained(); }));
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::string memory = FileText("/proc/self/status");
  memory = memory.substr(memory.find("VmRSS"), 24);
  WARN("p50 " << micros[1000] << " us, p99 " << micros[1980] << " us, max " << micros.back()
              << " us; " << 200'000 / took.count() << " events/s; " << memory);
}

}  // namespace huatuo
