// One bidirectional gRPC stream and its exchange. With service.cc the only place that sees gRPC.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apiserver/ingest/connections.h"
#include "apiserver/ingest/exchange.h"
#include "apiserver/ingest/ingest_metrics.h"
#include "apiserver/ingest/node_meter.h"
#include "common/grpc_status.h"

namespace huatuo {

class Stream;

// The streams that are open. Thread-safe.
class Streams {
 public:
  // False when there are too many.
  bool Add(const std::shared_ptr<Stream>& stream, size_t max);
  void Remove(const Stream* stream);
  void EndAll(const absl::Status& status);
  // Ends those that have sent nothing since they were opened, before `opened_ns` (Stream::NowNs).
  void EndSilent(int64_t opened_ns);
  // Ends those whose node may not have one any more.
  void EndStrangers();
  // Ends those of these connections, which bring a message without an end.
  void EndEndless(const std::set<std::string>& peers);

 private:
  std::vector<std::shared_ptr<Stream>> Open();

  std::mutex mutex_;
  std::map<const Stream*, std::weak_ptr<Stream>> open_;
};

// Owns itself until gRPC is done with it; everybody else holds weak pointers.
class Stream : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
               public std::enable_shared_from_this<Stream> {
 public:
  using Allow = std::function<absl::Status(const std::string& node)>;
  Stream(IngestMetrics& metrics, Streams& streams, std::shared_ptr<Connection> connection,
         size_t max_message_bytes)
      : metrics_(metrics),
        streams_(streams),
        connection_(std::move(connection)),
        max_message_bytes_(max_message_bytes) {}

  // What an exchange in these messages needs of this stream.
  template <typename ToNode>
  WireOf<ToNode> MakeWire(Allow allow, std::string collector = "") {
    const std::weak_ptr<Stream> weak = weak_from_this();
    return {.send =
                [weak](const ToNode& message) {
                  const auto self = weak.lock();
                  if (self) self->Send({message.SerializeAsString(), message.has_ack()});
                },
            .end =
                [weak](const absl::Status& status) {
                  if (const auto self = weak.lock()) self->End(status);
                },
            .resume =
                [weak] {
                  if (const auto self = weak.lock()) self->Resume();
                },
            .allow = std::move(allow),
            .collector = std::move(collector)};
  }

  // A clock that does not go backwards.
  static int64_t NowNs();

  // From now on what is received is counted there. To be called by the exchange, in Receive.
  void Meter(std::shared_ptr<NodeMeter> meter) { meter_ = std::move(meter); }
  // How to ask whether its node may still have it.
  void Identify(std::function<absl::Status()> allowed);

  // Begins to read; the stream stays alive until OnDone.
  void Open(std::shared_ptr<Exchange> exchange);
  // Ends it with `status` once what is being written has been sent; the first status counts.
  void End(const absl::Status& status);
  void EndIfSilent(int64_t opened_ns);
  void EndIfStranger();
  void EndIfOf(const std::set<std::string>& peers);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override { End(absl::CancelledError("stream: cancelled")); }
  void OnDone() override;

 private:
  struct Outgoing {
    std::string bytes;
    bool is_ack = false;
  };

  // As End, for what a node must not do; counted as `cause`.
  void Refuse(std::string_view cause, const absl::Status& status);
  absl::StatusOr<Exchange::Next> Receive();
  void Send(Outgoing message);
  void Resume();
  void WriteNext();
  void FinishIfIdle();

  IngestMetrics& metrics_;
  Streams& streams_;
  const std::shared_ptr<Connection> connection_;
  const size_t max_message_bytes_;
  const int64_t opened_ns_ = NowNs();
  std::atomic<bool> heard_ = false;
  std::shared_ptr<NodeMeter> meter_;  // null: it has not said which node it is
  std::shared_ptr<Stream> self_;
  std::shared_ptr<Exchange> exchange_;
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;

  std::mutex mutex_;                       // of all below
  std::function<absl::Status()> allowed_;  // null: it has not said which node it is
  std::deque<Outgoing> queue_;
  bool writing_ = false;
  bool paused_ = false;
  bool resumed_early_ = false;
  bool finished_ = false;
  std::optional<absl::Status> end_;
};

}  // namespace huatuo
