#include "apiserver/ingest/service.h"

#include <fmt/format.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "apiserver/ingest/catalogs.h"
#include "apiserver/ingest/connections.h"
#include "apiserver/ingest/ingest_metrics.h"
#include "apiserver/ingest/join_tokens.h"
#include "apiserver/ingest/profile_session.h"
#include "apiserver/ingest/received.h"
#include "apiserver/ingest/session.h"
#include "apiserver/ingest/stream.h"
#include "apiserver/ingest/tls_credentials.h"
#include "common/status.h"
#include "common/status_macros.h"
#include "common/thread_name.h"
#include "huatuo/v1/huatuo.grpc.pb.h"

namespace huatuo {
namespace {

// A node that has gone without a word is noticed after 10 s + 5 s; nodes themselves look every 4 s.
constexpr int kKeepaliveMs = 10'000;
constexpr int kKeepaliveTimeoutMs = 5'000;
constexpr int kLeastPingIntervalMs = 2'000;
constexpr int kHandshakeMs = 10'000;
constexpr int kIdleMs = 60'000;  // without a stream
constexpr std::chrono::seconds kGrace{2};
// Around a profile of the largest size.
constexpr size_t kEnvelopeBytes = 64;
constexpr size_t kMaxCollectorId = 64;
// Received by the kernel, and not yet taken from it.
constexpr size_t kBufferedBytes = 16 << 20;
// At 10 Gbit/s 125 MB arrive in between.
constexpr std::chrono::milliseconds kLook{100};

using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

class Refusal : public Reactor {
 public:
  explicit Refusal(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

// Who the peer is, as far as the transport knows.
struct Peer {
  std::string authorization;
  std::string collector;
  bool certified = false;
  std::vector<std::string> names;
};

Peer PeerOf(const grpc::CallbackServerContext& context, bool certified) {
  Peer peer{.authorization = {}, .collector = {}, .certified = certified, .names = {}};
  const auto& metadata = context.client_metadata();
  const auto read = [&metadata](const char* key, std::string& value) {
    const auto found = metadata.find(key);
    if (found != metadata.end()) value.assign(found->second.data(), found->second.size());
  };
  read("authorization", peer.authorization);
  read("huatuo-collector", peer.collector);
  // It is kept with the claim; nobody's is that long.
  peer.collector.resize(std::min(peer.collector.size(), kMaxCollectorId));
  const auto auth = context.auth_context();
  if (!certified || !auth) return peer;
  for (const char* property : {"x509_common_name", "x509_subject_alternative_name"}) {
    for (const grpc::string_ref& name : auth->FindPropertyValues(property)) {
      peer.names.emplace_back(name.data(), name.size());
    }
  }
  return peer;
}

absl::Status AllowNode(const JoinTokens& tokens, const Peer& peer, const std::string& node) {
  RETURN_IF_ERROR(tokens.Allow(peer.authorization, node));
  const auto& names = peer.names;
  if (!peer.certified || std::find(names.begin(), names.end(), node) != names.end()) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError("node: the certificate is for another one");
}

std::shared_ptr<grpc::ServerCredentials> Credentials(const IngestOptions& options) {
  if (!options.certificates) return grpc::InsecureServerCredentials();
  return TlsCredentials(options.certificates);
}

std::string HostCounters() {
  // Not the counters of IP: those are of version 4, and a tenth of a millisecond.
  std::ifstream file("/proc/self/net/dev");
  return {std::istreambuf_iterator<char>(file), {}};
}

// What both kinds of streams need.
struct Parts {
  Shared events;
  ProfileShared profiles;
};

class Service : public v1::Ingest::WithRawCallbackMethod_Connect<
                    v1::Ingest::WithRawCallbackMethod_Profiles<v1::Ingest::Service>> {
 public:
  Service(const IngestOptions& options, const Parts& parts)
      : options_(options),
        parts_(parts),
        certified_(options.certificates && !options.certificates->Get()->client_ca.empty()),
        meters_(options.rates),
        connections_(2 * options.max_message_bytes + kBufferedBytes) {}

  Reactor* Connect(grpc::CallbackServerContext* context) override {
    return Open(*context, streams_, options_.max_message_bytes,
                [this](Stream& stream, Stream::Allow allow, const std::string& collector) {
                  return Session::Start(parts_.events,
                                        stream.MakeWire<v1::ToNode>(std::move(allow), collector));
                });
  }

  Reactor* Profiles(grpc::CallbackServerContext* context) override {
    return Open(*context, profile_streams_, options_.max_message_bytes + kEnvelopeBytes,
                [this](Stream& stream, Stream::Allow allow, const std::string&) {
                  return ProfileSession::Start(
                      parts_.profiles, stream.MakeWire<v1::ProfilesToNode>(std::move(allow)));
                });
  }

  void EndAll(const absl::Status& status) {
    streams_.EndAll(status);
    profile_streams_.EndAll(status);
  }

  void EndSilent() {
    const int64_t opened_ns = Stream::NowNs() - std::chrono::nanoseconds(options_.silence).count();
    streams_.EndSilent(opened_ns);
    profile_streams_.EndSilent(opened_ns);
  }

  // Those that were let in by a token which is not in the file any more.
  void EndStrangers() {
    const auto tokens = Tokens();
    if (std::exchange(asked_, tokens) == tokens) return;
    streams_.EndStrangers();
    profile_streams_.EndStrangers();
  }

  void EndEndless(uint16_t port) {
    if (!connections_.Unexplained(ReceivedByHost(HostCounters()))) return;
    const auto excessive = connections_.Excessive(ReceivedByPeer(port), Stream::NowNs());
    if (excessive.empty()) return;
    streams_.EndEndless(excessive);
    profile_streams_.EndEndless(excessive);
  }

 private:
  using Start = std::function<std::shared_ptr<Exchange>(Stream& stream, Stream::Allow allow,
                                                        const std::string& collector)>;

  Reactor* Open(const grpc::CallbackServerContext& context, Streams& streams,
                size_t max_message_bytes, const Start& start) {
    Peer peer = PeerOf(context, certified_);
    const absl::Status known = Tokens()->Check(peer.authorization);
    if (!known.ok()) return Refuse("identity", known);
    const auto stream = std::make_shared<Stream>(parts_.events.metrics, streams,
                                                 connections_.Of(context.peer(), Stream::NowNs()),
                                                 max_message_bytes);
    if (!streams.Add(stream, options_.max_streams)) {
      return Refuse("too_many",
                    ResourceExhausted(fmt::format("streams: more than {}", options_.max_streams)));
    }
    const std::string collector = peer.collector;
    const std::weak_ptr<Stream> weak = stream;
    stream->Open(start(
        *stream,
        [this, weak, peer = std::move(peer)](const std::string& node) {
          RETURN_IF_ERROR(AllowNode(*Tokens(), peer, node));
          if (const auto self = weak.lock()) {
            self->Meter(meters_.Of(node, Stream::NowNs()));
            self->Identify([this, peer, node] { return AllowNode(*Tokens(), peer, node); });
          }
          return absl::OkStatus();
        },
        collector));
    return stream.get();
  }

  std::shared_ptr<const JoinTokens> Tokens() const {
    static const auto none = std::make_shared<const JoinTokens>();
    return options_.join_tokens ? options_.join_tokens->Get() : none;
  }

  Reactor* Refuse(std::string_view cause, const absl::Status& status) {
    parts_.events.metrics.StreamRefused(cause);
    return new Refusal(status);
  }

  const IngestOptions options_;
  const Parts parts_;
  const bool certified_;                     // nodes show certificates
  std::shared_ptr<const JoinTokens> asked_;  // by EndStrangers
  NodeMeters meters_;
  Connections connections_;
  Streams streams_;
  Streams profile_streams_;
};

}  // namespace

struct IngestServer::State {
  State(const IngestOptions& options, const IngestSinks& the_sinks)
      : sinks(the_sinks),
        metrics(sinks.registry),
        profile_metrics(sinks.registry),
        catalogs(sinks.facts),
        writer(std::make_unique<Writer>(sinks.appender, sinks.committed, metrics, sinks.clock,
                                        options.writer)),
        profile_writer(std::make_unique<ProfileWriter>(sinks.profiles, profile_metrics, sinks.clock,
                                                       options.writer)),
        waits(sinks.pods == nullptr ? nullptr
                                    : std::make_unique<PodWaits>(*sinks.pods, sinks.clock,
                                                                 sinks.registry, options.pod_wait)),
        service(options, {.events = {.clock = sinks.clock,
                                     .appender = sinks.appender,
                                     .catalogs = catalogs,
                                     .nodes = sinks.nodes,
                                     .series = sinks.series,
                                     .writer = *writer,
                                     .metrics = metrics,
                                     .issues = sinks.issues,
                                     .waits = waits.get(),
                                     .claims = sinks.claims},
                          .profiles = {.clock = sinks.clock,
                                       .appender = sinks.profiles,
                                       .nodes = sinks.nodes,
                                       .writer = *profile_writer,
                                       .fence = profile_fence,
                                       .metrics = profile_metrics,
                                       .streams = metrics,
                                       .pods = sinks.pods}}) {}

  absl::Status Listen(const IngestOptions& options);
  void Every(std::chrono::milliseconds period, const std::function<void()>& act);
  void Tidy();

  const IngestSinks sinks;
  IngestMetrics metrics;
  ProfileMetrics profile_metrics;
  Catalogs catalogs;
  ProfileFence profile_fence;
  std::unique_ptr<Writer> writer;
  std::unique_ptr<ProfileWriter> profile_writer;
  std::unique_ptr<PodWaits> waits;  // null: there is no cluster
  Service service;
  std::shared_ptr<grpc::ServerCredentials> credentials;
  std::unique_ptr<grpc::Server> server;
  std::string address;
  std::mutex mutex;
  std::condition_variable wake;
  bool stop = false;
  std::thread tidier;
  // One of its own: tidying may wait for the store.
  std::thread watcher;
};

absl::Status IngestServer::State::Listen(const IngestOptions& options) {
  credentials = Credentials(options);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options.listen, credentials, &port);
  builder.RegisterService(&service);
  // Twice the limit, so that the reason for a message that is too large is ours.
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes * 2));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kLeastPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // A second process on the port is a mistake to be told, not load to be shared.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Who opens a connection and does nothing with it must not keep it.
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
  if (options.grpc_memory_bytes != 0) {
    builder.SetResourceQuota(grpc::ResourceQuota("ingest").Resize(options.grpc_memory_bytes));
  }
  server = builder.BuildAndStart();
  if (!server || port == 0)
    return Unavailable(fmt::format("listen: {}: not possible", options.listen));
  address = options.listen.substr(0, options.listen.rfind(':') + 1) + std::to_string(port);
  tidier = std::thread([this] {
    NameThread("tidy");
    Every(std::chrono::seconds(1), [this] { Tidy(); });
  });
  watcher = std::thread([this, port = static_cast<uint16_t>(port)] {
    NameThread("endless");
    Every(kLook, [this, port] { service.EndEndless(port); });
  });
  return absl::OkStatus();
}

void IngestServer::State::Every(std::chrono::milliseconds period,
                                const std::function<void()>& act) {
  std::unique_lock lock(mutex);
  while (!wake.wait_for(lock, period, [this] { return stop; })) {
    lock.unlock();
    act();
    lock.lock();
  }
}

void IngestServer::State::Tidy() {
  service.EndSilent();
  service.EndStrangers();
  sinks.series.Sweep();
  const SeriesTable::Counts counts = sinks.series.counts();
  metrics.Series(counts.series, counts.samples, counts.refused_series, counts.conflicting,
                 counts.duplicates, counts.muted);
  metrics.NodesKept(sinks.nodes.Flush().ok());
}

absl::StatusOr<std::unique_ptr<IngestServer>> IngestServer::Start(const IngestOptions& options,
                                                                  const IngestSinks& sinks) {
  auto state = std::make_unique<State>(options, sinks);
  RETURN_IF_ERROR(state->Listen(options));
  return std::unique_ptr<IngestServer>(new IngestServer(std::move(state)));
}

IngestServer::IngestServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

IngestServer::~IngestServer() { Shutdown(); }

std::string IngestServer::address() const { return state_->address; }

std::optional<std::string> IngestServer::Stalled(int64_t boot_now_ns) const {
  if (!state_->writer) return std::nullopt;
  const std::optional<std::string> events = state_->writer->Stalled(boot_now_ns);
  return events ? events : state_->profile_writer->Stalled(boot_now_ns);
}

void IngestServer::Shutdown() {
  {
    const std::lock_guard lock(state_->mutex);
    if (std::exchange(state_->stop, true)) return;
  }
  state_->wake.notify_all();
  state_->tidier.join();
  state_->watcher.join();
  state_->service.EndAll(Unavailable("the apiserver is going down"));
  state_->server->Shutdown(std::chrono::system_clock::now() + kGrace);
  state_->server->Wait();
  state_->waits.reset();
  state_->writer.reset();
  state_->profile_writer.reset();
  state_->Tidy();
}

}  // namespace huatuo
