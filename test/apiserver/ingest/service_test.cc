#include "apiserver/ingest/service.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <fstream>
#include <thread>

#include "apiserver/store/memory_profile_store.h"
#include "huatuo/v1/huatuo.grpc.pb.h"
#include "test/apiserver/ingest/fixture.h"

namespace huatuo {
namespace {

struct Server {
  explicit Server(const IngestOptions& changes = {}) {
    IngestOptions options = changes;
    options.listen = "127.0.0.1:0";
    auto started = IngestServer::Start(options, {.clock = Clock::Real(),
                                                 .appender = store,
                                                 .profiles = profiles,
                                                 .facts = store,
                                                 .nodes = nodes,
                                                 .series = series,
                                                 .committed = committed,
                                                 .registry = registry});
    REQUIRE(started.status().ToString() == "OK");
    server = std::move(*started);
  }
  MemoryStore store;
  MemoryProfileStore profiles;
  Nodes nodes{Clock::Real(), store};
  SeriesTable series{Clock::Real(), 1000};
  CommitSignal committed;
  prometheus::Registry registry;
  std::unique_ptr<IngestServer> server;
};

class Client {
 public:
  explicit Client(const Server& server, const std::string& token = "")
      : stub_(v1::Ingest::NewStub(
            grpc::CreateChannel(server.server->address(), grpc::InsecureChannelCredentials()))) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    if (!token.empty()) context_.AddMetadata("authorization", "Bearer " + token);
    stream_ = stub_->Connect(&context_);
  }
  ~Client() { context_.TryCancel(); }
  bool Say(const v1::FromNode& message) { return stream_->Write(message); }
  std::string Hear() {
    v1::ToNode message;
    return stream_->Read(&message) ? message.ShortDebugString() : "end";
  }
  // The status with which the server ended the stream.
  std::string End() {
    while (Hear() != "end") {
    }
    const grpc::Status status = stream_->Finish();
    return std::to_string(status.error_code()) + " " + status.error_message();
  }
  std::string Finish() {
    stream_->WritesDone();
    return End();
  }
  void Join(const std::string& node) {
    Say(HelloMessage(TestHello(node)));
    if (Hear().find("catalog_needed") != std::string::npos) Say(CatalogMessage());
    CHECK(Hear() == "catalog_reply { }");
  }

 private:
  std::unique_ptr<v1::Ingest::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::FromNode, v1::ToNode>> stream_;
};

TEST_CASE("two nodes over gRPC: one breaks the rules, the other does not notice") {
  Server server;
  Client good(server);
  Client bad(server);
  good.Join("good");
  bad.Join("bad");
  bad.Say(Events(5, 5));
  CHECK(bad.End() ==
        "3 entries: entry 5: sequence: beyond the high-water mark 0 and next_sequence 1");
  CHECK_FALSE(server.nodes.Find("good")->events);
  good.Say(Events(1, 2));
  CHECK(good.Hear() == "ack { sequence: 2 }");
  CHECK(good.Finish() == "0 ");
}

TEST_CASE("a newer stream of a node ends the older one") {
  Server server;
  Client older(server);
  older.Join("a");
  Client newer(server);
  newer.Join("a");
  CHECK(older.End() == "10 node a: a newer stream of it has begun");
  newer.Say(Events(1, 1));
  CHECK(newer.Hear() == "ack { sequence: 1 }");
}

TEST_CASE("a message that is too large is told so") {
  IngestOptions options;
  options.max_message_bytes = 4096;
  Server server(options);
  Client client(server);
  v1::Hello hello = TestHello();
  hello.set_region(std::string(5000, 'x'));
  client.Say(HelloMessage(hello));
  CHECK(client.End() == "3 message: 5065 bytes: at most 4096");
}

TEST_CASE("streams beyond the limit are refused") {
  IngestOptions options;
  options.max_streams = 1;
  Server server(options);
  Client first(server);
  first.Join("a");
  CHECK(Client(server).End() == "8 streams: more than 1");
}

TEST_CASE("who has no token for the node is refused, by the tokens of the moment") {
  const std::string path = "/tmp/huatuo-ingest-test-" + Hex(RandomId());
  std::ofstream(path) << "0123456789abcdef a\n";
  prometheus::Registry registry;
  Reloads reloads(registry, std::chrono::milliseconds(1));
  const auto tokens = Live<JoinTokens>::Start(reloads, "join_tokens_file", {path},
                                              [&path] { return JoinTokens::Load(path); });
  REQUIRE(tokens.ok());
  IngestOptions options;
  options.join_tokens = *tokens;
  Server server(options);
  CHECK(Client(server).End() == "16 authorization: not a join token");
  Client other(server, "0123456789abcdef");
  other.Say(HelloMessage(TestHello("b")));
  CHECK(other.End() == "7 hello: node: the join token is for another one");
  Client first(server, "0123456789abcdef");
  first.Join("a");
  const auto before = (*tokens)->Get();
  std::ofstream(path) << "fedcba9876543210\n";
  while ((*tokens)->Get() == before || !(*tokens)->Get()->Check("Bearer fedcba9876543210").ok()) {
    std::this_thread::yield();
  }
  CHECK(Client(server, "0123456789abcdef").End() == "16 authorization: not a join token");
  Client(server, "fedcba9876543210").Join("b");
  CHECK(std::remove(path.c_str()) == 0);
}

// The value of the counter streams_refused_total of this cause.
double Refused(Server& server, const std::string& cause) {
  for (const auto& family : server.registry.Collect()) {
    if (family.name != "huatuo_apiserver_streams_refused_total") continue;
    for (const auto& metric : family.metric) {
      if (metric.label.at(0).value == cause) return metric.counter.value;
    }
  }
  return 0;
}

TEST_CASE("a node that floods is ended, also when it comes back, and others do not notice") {
  IngestOptions options;
  options.rates.messages_per_second = 10;
  Server server(options);
  Client good(server);
  good.Join("good");
  const v1::FromNode nothing = Parse<v1::FromNode>("parameter_reply { request_id: \"7\" }");
  {
    Client bad(server);
    bad.Join("bad");
    for (int i = 0; i < 1000 && bad.Say(nothing); ++i) {
    }
    CHECK(bad.End() == "8 node bad: more than 10 messages a second");
  }
  CHECK(Refused(server, "flood") == 1);
  Client again(server);
  again.Say(HelloMessage(TestHello("bad")));
  for (int i = 0; i < 1000 && again.Say(nothing); ++i) {
  }
  CHECK(again.End() == "8 node bad: more than 10 messages a second");
  good.Say(Events(1, 2));
  CHECK(good.Hear() == "ack { sequence: 2 }");
}

TEST_CASE("a node that sends too many bytes is ended") {
  IngestOptions options;
  options.rates.bytes_per_second = 10'000;
  Server server(options);
  Client bad(server);
  bad.Join("bad");
  v1::FromNode large = Parse<v1::FromNode>("parameter_reply { request_id: \"7\" }");
  large.mutable_parameter_reply()->set_reason(std::string(30'000, 'x'));
  for (int i = 0; i < 1000 && bad.Say(large); ++i) {
  }
  CHECK(bad.End() == "8 node bad: more than 10000 bytes a second");
}

TEST_CASE("a stream on which nothing is said ends") {
  IngestOptions options;
  options.silence = std::chrono::milliseconds(1);
  Server server(options);
  Client quiet(server);
  CHECK(quiet.End() == "4 stream: nothing was said after it was opened");
  CHECK(Refused(server, "silent") == 1);
}

TEST_CASE("a shutdown tells the nodes, and a node is found again after it") {
  Server server;
  Client client(server);
  client.Join("a");
  client.Say(Events(1, 3));
  CHECK(client.Hear() == "ack { sequence: 3 }");
  server.server->Shutdown();
  CHECK(client.End() == "14 the apiserver is going down");
  Nodes later(Clock::Real(), server.store);
  REQUIRE(later.Load().ok());
  CHECK(later.Find("a")->events == 3);
}

TEST_CASE("options that cannot work are named") {
  Server server;
  const auto start = [&server](const IngestOptions& options) {
    return IngestServer::Start(options, {.clock = Clock::Real(),
                                         .appender = server.store,
                                         .profiles = server.profiles,
                                         .facts = server.store,
                                         .nodes = server.nodes,
                                         .series = server.series,
                                         .committed = server.committed,
                                         .registry = server.registry})
        .status()
        .ToString();
  };
  IngestOptions options;
  options.listen = server.server->address();
  CHECK(start(options) == "UNAVAILABLE: listen: " + options.listen + ": not possible");
}

}  // namespace
TEST_CASE("profiles have a stream of their own, for nodes that are connected") {
  Server server;
  const auto stub = v1::Ingest::NewStub(
      grpc::CreateChannel(server.server->address(), grpc::InsecureChannelCredentials()));
  const auto talk = [&](size_t padding) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    const auto stream = stub->Profiles(&context);
    v1::ProfilesFromNode message = Parse<v1::ProfilesFromNode>(
        R"(hello { protocol: 1 node: "a" epoch: "0123456789abcdef" next_sequence: 1 })");
    stream->Write(message);
    v1::ProfilesToNode reply;
    std::string heard = stream->Read(&reply) ? reply.ShortDebugString() + "; " : "";
    message = Parse<v1::ProfilesFromNode>(R"(entry { sequence: 1 profile {
      profile_id: "0123456789abcdef" unit: "cpu_profile" type: "cpu" strings: ""
      values { type: "cpu" unit: "nanoseconds" } } })");
    for (size_t i = 0; i < padding; ++i) {
      message.mutable_entry()->mutable_profile()->add_strings(std::string(64 << 10, '.'));
    }
    if (!heard.empty()) stream->Write(message);
    if (!heard.empty() && stream->Read(&reply)) heard += reply.ShortDebugString() + "; ";
    stream->WritesDone();
    while (stream->Read(&reply)) {
    }
    return heard + stream->Finish().error_message();
  };
  CHECK(talk(0) == "profiles: hello: node a: its stream Connect is not open");
  Client client(server);
  client.Join("a");
  CHECK(talk(65).ends_with(": at most 4194368"));
  // The test's catalog has no such unit: taken, acked, and missing for a reason.
  CHECK(talk(0) == "welcome { fencing: 2 }; ack { sequence: 1 }; ");
  CHECK(*server.profiles.Missing("a", {}, {}) == 1);
}

}  // namespace huatuo
