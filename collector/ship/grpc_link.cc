#include <fmt/format.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include <condition_variable>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "collector/ship/link.h"
#include "common/status.h"
#include "common/status_macros.h"
#include "common/thread_name.h"
#include "huatuo/v1/huatuo.grpc.pb.h"

namespace huatuo {
namespace {

// Room for a few batches each way; gRPC otherwise takes as much as the machine has.
constexpr size_t kMemoryBytes = 16 << 20;
constexpr int kMaxMessageBytes = 4 << 20;
// A cut network is noticed within 8 seconds, so that the node is at another apiserver within 10.
constexpr int kKeepaliveMs = 4'000;
constexpr int kKeepaliveTimeoutMs = 4'000;

absl::Status FromGrpc(const grpc::Status& status) {
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return NotFound(path + ": cannot be read");
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const LinkOptions& options) {
  if (!options.tls) {
    return grpc::InsecureChannelCredentials();
  }
  grpc::SslCredentialsOptions ssl;
  if (!options.ca_file.empty()) {
    ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadFile(options.ca_file));
  }
  if (!options.certificate_file.empty()) {
    ASSIGN_OR_RETURN(ssl.pem_cert_chain, ReadFile(options.certificate_file));
    ASSIGN_OR_RETURN(ssl.pem_private_key, ReadFile(options.key_file));
  }
  return grpc::SslCredentials(ssl);
}

grpc::ChannelArguments Arguments(const LinkOptions& options) {
  grpc::ChannelArguments arguments;
  grpc::ResourceQuota quota("ship");
  quota.Resize(kMemoryBytes);
  arguments.SetResourceQuota(quota);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The stream has its own back-off; a shared subchannel would add that of gRPC.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!options.server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.server_name);
  }
  return arguments;
}

// Keeps the string until gRPC has sent it, instead of a copy.
grpc::ByteBuffer Pack(std::string message) {
  auto kept = std::make_unique<std::string>(std::move(message));
  std::string* bytes = kept.release();
  const grpc::Slice slice(
      bytes->data(), bytes->size(), [](void* given) { delete static_cast<std::string*>(given); },
      bytes);
  return {&slice, 1};
}

std::string Unpack(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) {
    return bytes;
  }
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// With a completion queue and a thread of its own, which sleeps until something happens: the
// threads behind gRPC's callbacks look around several times a second.
class GrpcLink final : public Link {
 public:
  GrpcLink(const std::shared_ptr<grpc::Channel>& channel, const std::string& rpc,
           const std::string& token, const std::string& collector, LinkListener& listener)
      : listener_(listener), stub_(channel) {
    if (!collector.empty()) {
      context_.AddMetadata("huatuo-collector", collector);
    }
    if (!token.empty()) {
      context_.AddMetadata("authorization", "Bearer " + token);
    }
    call_ = stub_.PrepareCall(&context_,
                              fmt::format("/{}/{}", v1::Ingest::service_full_name(), rpc), &queue_);
    call_->StartCall(Tag(Event::kStarted));
    thread_ = std::thread([this] { Run(); });
  }
  ~GrpcLink() override {
    if (!closed_) {
      context_.TryCancel();
      Close(std::chrono::milliseconds(0)).IgnoreError();
    }
  }
  GrpcLink(const GrpcLink&) = delete;
  GrpcLink& operator=(const GrpcLink&) = delete;

  void Write(std::string message) override {
    const std::lock_guard lock(mutex_);
    outgoing_ = Pack(std::move(message));
    writing_ = true;
    if (started_) {
      call_->Write(outgoing_, Tag(Event::kWritten));
    }
  }

  void ReadNext() override {
    const std::lock_guard lock(mutex_);
    Read();
  }

  absl::Status Close(std::chrono::milliseconds patience) override {
    std::unique_lock lock(mutex_);
    closing_ = true;
    closed_ = true;
    if (started_ && !reading_ && !ended_) {
      Read();
    }
    if (started_ && !writing_ && !ended_) {
      call_->WritesDone(Tag(Event::kHalfClosed));
    }
    if (!changed_.wait_for(lock, patience, [this] { return ended_; })) {
      context_.TryCancel();
      changed_.wait(lock, [this] { return ended_; });
    }
    grpc::Status status;
    call_->Finish(&status, Tag(Event::kFinished));
    lock.unlock();
    thread_.join();
    return FromGrpc(status);
  }

 private:
  enum class Event : intptr_t { kStarted, kRead, kWritten, kHalfClosed, kFinished };

  static void* Tag(Event event) {
    return reinterpret_cast<void*>(event);  // NOLINT(performance-no-int-to-ptr)
  }

  // Ends with the last event, which is not always kFinished.
  void Run() {
    NameThread("link");
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
      switch (static_cast<Event>(reinterpret_cast<intptr_t>(tag))) {
        case Event::kStarted:
          OnStarted(ok);
          break;
        case Event::kRead:
          OnRead(ok);
          break;
        case Event::kWritten:
          OnWritten(ok);
          break;
        case Event::kHalfClosed:
          break;
        case Event::kFinished:
          queue_.Shutdown();
          break;
      }
    }
  }

  void Read() {
    reading_ = true;
    call_->Read(&incoming_, Tag(Event::kRead));
  }

  void OnStarted(bool ok) {
    {
      const std::lock_guard lock(mutex_);
      started_ = ok;
      if (ok) {
        Read();
        if (writing_) {
          call_->Write(outgoing_, Tag(Event::kWritten));
        } else if (closing_) {
          call_->WritesDone(Tag(Event::kHalfClosed));
        }
        return;
      }
    }
    End();
  }

  void End() {
    bool tell = false;
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      tell = !closing_;
      changed_.notify_all();
    }
    if (tell) {
      listener_.OnEnded();
    }
  }

  void OnRead(bool ok) {
    if (!ok) {
      End();
      return;
    }
    std::string message;
    {
      const std::lock_guard lock(mutex_);
      reading_ = false;
      if (closing_) {
        Read();
        return;
      }
      // Close may begin to read the next at once.
      message = Unpack(incoming_);
      incoming_.Clear();
    }
    listener_.OnMessage(std::move(message));
  }

  void OnWritten(bool ok) {
    bool tell = false;
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      tell = ok && !closing_;
    }
    if (tell) {
      listener_.OnWritten();
    }
  }

  LinkListener& listener_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer incoming_;
  bool closed_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  grpc::ByteBuffer outgoing_;
  bool started_ = false;
  bool writing_ = false;
  bool reading_ = false;
  bool closing_ = false;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Link>> OpenLink(const LinkOptions& options, LinkListener& listener) {
  std::string token;
  if (!options.token_file.empty()) {
    ASSIGN_OR_RETURN(token, ReadFile(options.token_file));
    token.erase(token.find_last_not_of(" \t\r\n") + 1);
  }
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::ChannelCredentials> credentials, Credentials(options));
  auto channel = grpc::CreateCustomChannel(options.target, credentials, Arguments(options));
  return std::make_unique<GrpcLink>(channel, options.rpc, token, options.collector, listener);
}

}  // namespace huatuo
