#include "collector/ship/profile_stream.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <map>

#include "fixtures.h"
#include "huatuo/v1/huatuo.grpc.pb.h"

namespace huatuo {
namespace {

v1::Profile MakeProfile(const std::string& unit) {
  v1::Profile profile;
  profile.set_unit(unit);
  profile.set_time_ns(1000);
  profile.set_duration_ns(500);
  profile.add_strings();
  return profile;
}

// Keeps what it is sent; acks are held back while `silent`.
class ProfileServer : public v1::Ingest::Service {
 public:
  using Wire = grpc::ServerReaderWriter<v1::ProfilesToNode, v1::ProfilesFromNode>;

  ProfileServer() { Up(); }
  ~ProfileServer() override { Down(); }
  void Up() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(fmt::format("127.0.0.1:{}", port_), grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(this);
    builder.SetMaxReceiveMessageSize(8 << 20);
    server_ = builder.BuildAndStart();
  }
  void Down() {
    if (!server_) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  std::string target() const { return fmt::format("127.0.0.1:{}", port_); }

  grpc::Status Profiles(grpc::ServerContext*, Wire* wire) override {
    v1::ProfilesFromNode message;
    if (!wire->Read(&message)) return grpc::Status::OK;
    const std::string epoch = message.hello().epoch();
    v1::ProfilesToNode reply;
    {
      const std::lock_guard lock(mutex_);
      hellos_.push_back(message.hello().node());
      reply.mutable_welcome()->set_high_water(high_water_[epoch]);
    }
    wire->Write(reply);
    while (wire->Read(&message)) {
      const uint64_t high_water = Keep(epoch, message.entry());
      if (cut.exchange(false)) return {grpc::StatusCode::UNAVAILABLE, "cut"};
      if (silent) continue;
      reply.mutable_ack()->set_sequence(high_water);
      wire->Write(reply);
    }
    return grpc::Status::OK;
  }

  // "1:cpu 2-4:spool_full" in the order of arrival.
  std::string stored() {
    const std::lock_guard lock(mutex_);
    return stored_;
  }
  std::vector<v1::Profile> profiles() {
    const std::lock_guard lock(mutex_);
    return profiles_;
  }
  std::vector<std::string> hellos() {
    const std::lock_guard lock(mutex_);
    return hellos_;
  }
  std::atomic<bool> silent = false;
  std::atomic<bool> cut = false;  // the stream after the next entry, before its ack

 private:
  uint64_t Keep(const std::string& epoch, const v1::ProfileEntry& entry) {
    const std::lock_guard lock(mutex_);
    uint64_t& high_water = high_water_[epoch];
    if (entry.sequence() <= high_water) stored_ += "again:";
    high_water = entry.sequence();
    stored_ += stored_.empty() ? "" : " ";
    if (entry.has_gap()) {
      stored_ += fmt::format("{}-{}:{}", entry.gap().first_sequence(), entry.sequence(),
                             entry.gap().cause());
    } else {
      stored_ += fmt::format("{}:{}", entry.sequence(), entry.profile().unit());
      profiles_.push_back(entry.profile());
    }
    return high_water;
  }

  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::mutex mutex_;
  std::map<std::string, uint64_t> high_water_;
  std::string stored_;
  std::vector<v1::Profile> profiles_;
  std::vector<std::string> hellos_;
};

std::unique_ptr<ProfileStream> OpenStream(const std::string& target, const std::string& folder,
                                          std::function<bool()> ready = {}) {
  ProfileStreamOptions options;
  options.node = "n1";
  options.spool.folder = folder;
  options.courier.link.target = target;
  options.courier.backoff_min = std::chrono::milliseconds(2);
  options.courier.backoff_max = std::chrono::milliseconds(50);
  options.courier.ready = std::move(ready);
  auto stream = ProfileStream::Open(options, Clock::Real());
  REQUIRE(stream.ok());
  return *std::move(stream);
}

bool Delivered(const ProfileStream& stream, uint64_t count) {
  return Eventually([&] { return stream.Count().outbox.acked == count; });
}

std::string LossText(const ProfileStream& stream) {
  std::string out;
  for (const v1::Loss& loss : stream.Count().losses) {
    out += fmt::format("{}={} ", loss.cause(), loss.count());
  }
  return out;
}

}  // namespace

TEST_CASE("profiles arrive in order with an id, once the node is connected") {
  ProfileServer server;
  Folder folder;
  std::atomic<bool> connected = false;
  const auto stream = OpenStream(server.target(), folder / "p", [&] { return connected.load(); });
  stream->Start();
  stream->Push(MakeProfile("a"));
  stream->Push(MakeProfile("b"));
  CHECK(server.hellos().empty());
  connected = true;
  REQUIRE(Delivered(*stream, 2));
  CHECK(server.stored() == "1:a 2:b");
  CHECK(server.hellos() == std::vector<std::string>{"n1"});
  CHECK(server.profiles()[0].profile_id().size() == 16);
  CHECK(server.profiles()[0].profile_id() != server.profiles()[1].profile_id());
  CHECK(stream->Count().connected);
}

TEST_CASE("what was not acked is sent again after a cut, and only that") {
  ProfileServer server;
  Folder folder;
  const auto stream = OpenStream(server.target(), folder / "p");
  stream->Start();
  stream->Push(MakeProfile("a"));
  REQUIRE(Delivered(*stream, 1));
  server.cut = true;
  stream->Push(MakeProfile("b"));
  stream->Push(MakeProfile("c"));
  REQUIRE(Delivered(*stream, 3));
  CHECK(server.stored() == "1:a 2:b 3:c");
  CHECK(server.hellos().size() == 2);
}

TEST_CASE("profiles of an earlier process come first, from its own epoch") {
  ProfileServer server;
  Folder folder;
  {
    const auto dead = OpenStream("127.0.0.1:1", folder / "p");
    dead->Push(MakeProfile("old"));
    dead->Push(MakeProfile("older"));
  }
  const auto stream = OpenStream(server.target(), folder / "p");
  stream->Push(MakeProfile("new"));
  stream->Start();
  REQUIRE(Delivered(*stream, 3));
  CHECK(server.stored() == "1:old 2:older 1:new");
}

TEST_CASE("no more than eight profiles are on their way") {
  ProfileServer server;
  server.silent = true;
  Folder folder;
  const auto stream = OpenStream(server.target(), folder / "p");
  for (int i = 1; i <= 12; ++i) stream->Push(MakeProfile("u"));
  stream->Start();
  REQUIRE(Eventually([&] { return server.profiles().size() == 8; }));
  server.Down();
  server.silent = false;
  server.Up();
  REQUIRE(Delivered(*stream, 12));
  CHECK(server.profiles().size() == 12);
}

TEST_CASE("a full spool loses the oldest profiles, counted and told") {
  ProfileServer server;
  Folder folder;
  ProfileStreamOptions options;
  options.node = "n1";
  options.spool = {.folder = folder / "p", .limit_bytes = 12 << 20, .segment_bytes = 1 << 20};
  options.courier.link.target = server.target();
  auto stream = *ProfileStream::Open(options, Clock::Real());
  for (uint64_t i = 1; i <= 20; ++i) {
    v1::Profile profile = MakeProfile("u");
    profile.add_strings(std::string(1 << 20, 'x'));
    stream->Push(std::move(profile));
    REQUIRE(Eventually([&] { return stream->Count().outbox.spool.entries == i; }));
  }
  const auto lost = [&] { return LossText(*stream); };
  REQUIRE(Eventually([&] { return lost().find("spool_full") != std::string::npos; }));
  stream->Start();
  REQUIRE(Delivered(*stream, 20));
  const size_t arrived = server.profiles().size();
  CHECK(lost() == fmt::format("profiles:spool_full={} ", 20 - arrived));
  CHECK(server.stored().starts_with(fmt::format("1-{}:spool_full", 20 - arrived)));
}

TEST_CASE("a profile that is too large becomes a gap, counted") {
  ProfileServer server;
  Folder folder;
  const auto stream = OpenStream(server.target(), folder / "p");
  v1::Profile huge = MakeProfile("u");
  huge.add_strings(std::string(kMaxProfileBytes, 'x'));
  stream->Push(std::move(huge));
  v1::Profile largest = MakeProfile("v");
  largest.set_profile_id(std::string(16, 'i'));
  largest.add_strings(std::string(kMaxProfileBytes - largest.ByteSizeLong() - 5, 'x'));
  REQUIRE(largest.ByteSizeLong() == kMaxProfileBytes);
  stream->Push(std::move(largest));
  stream->Start();
  REQUIRE(Delivered(*stream, 2));
  CHECK(server.stored() == "1-1:too_large 2:v");
  CHECK(LossText(*stream) == "profiles:too_large=1 ");
}

}  // namespace huatuo
