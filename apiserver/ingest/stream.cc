#include "apiserver/ingest/stream.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>
#include <vector>

#include "common/status.h"

namespace huatuo {
namespace {

// A node that is sent more than this without reading any of it has stopped reading.
constexpr size_t kMaxUnsent = 1000;
// Of gRPC, before each message.
constexpr size_t kPrefixBytes = 5;

// In one piece, until the thread takes its next message: a batch is too large to be allocated anew
// each time.
std::string_view Bytes(const grpc::ByteBuffer& buffer) {
  constexpr size_t kKeptBytes = 1 << 20;
  static thread_local std::string bytes;
  if (bytes.capacity() > kKeptBytes) bytes = std::string();
  bytes.clear();
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

}  // namespace

bool Streams::Add(const std::shared_ptr<Stream>& stream, size_t max) {
  const std::lock_guard lock(mutex_);
  if (open_.size() >= max) return false;
  open_[stream.get()] = stream;
  return true;
}

void Streams::Remove(const Stream* stream) {
  const std::lock_guard lock(mutex_);
  open_.erase(stream);
}

std::vector<std::shared_ptr<Stream>> Streams::Open() {
  std::vector<std::shared_ptr<Stream>> open;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, stream] : open_) {
    if (auto alive = stream.lock()) open.push_back(std::move(alive));
  }
  return open;
}

void Streams::EndAll(const absl::Status& status) {
  for (const auto& stream : Open()) stream->End(status);
}

void Streams::EndSilent(int64_t opened_ns) {
  for (const auto& stream : Open()) stream->EndIfSilent(opened_ns);
}

void Streams::EndStrangers() {
  for (const auto& stream : Open()) stream->EndIfStranger();
}

void Streams::EndEndless(const std::set<std::string>& peers) {
  for (const auto& stream : Open()) stream->EndIfOf(peers);
}

int64_t Stream::NowNs() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Stream::Open(std::shared_ptr<Exchange> exchange) {
  self_ = shared_from_this();
  exchange_ = std::move(exchange);
  StartRead(&incoming_);
}

absl::StatusOr<Exchange::Next> Stream::Receive() {
  connection_->taken_bytes += incoming_.Length() + kPrefixBytes;
  if (incoming_.Length() > max_message_bytes_) {
    metrics_.StreamRefused("too_large");
    return InvalidArgument(
        fmt::format("message: {} bytes: at most {}", incoming_.Length(), max_message_bytes_));
  }
  if (meter_) {
    const absl::Status status = meter_->Take(incoming_.Length(), NowNs());
    if (!status.ok()) {
      metrics_.StreamRefused("flood");
      return status;
    }
  }
  return exchange_->Receive(Bytes(incoming_));
}

void Stream::OnReadDone(bool ok) {
  if (!ok) return End(absl::OkStatus());
  heard_ = true;
  const absl::StatusOr<Exchange::Next> next = Receive();
  incoming_.Clear();
  if (!next.ok()) return End(next.status());
  const std::lock_guard lock(mutex_);
  if (end_) return;
  if (*next == Exchange::Next::kPause && !std::exchange(resumed_early_, false)) {
    paused_ = true;
    return;
  }
  StartRead(&incoming_);
}

void Stream::Resume() {
  const std::lock_guard lock(mutex_);
  if (end_) return;
  if (std::exchange(paused_, false)) {
    StartRead(&incoming_);
  } else {
    resumed_early_ = true;
  }
}

void Stream::Send(Outgoing message) {
  const std::lock_guard lock(mutex_);
  if (end_) return;
  // Only the newest ack says something.
  if (message.is_ack && !queue_.empty() && queue_.back().is_ack) {
    queue_.back() = std::move(message);
    return;
  }
  if (queue_.size() >= kMaxUnsent) {
    end_ = ResourceExhausted(fmt::format("{} messages wait to be read", queue_.size()));
    metrics_.StreamRefused("not_reading");
    queue_.clear();
    return FinishIfIdle();
  }
  queue_.push_back(std::move(message));
  if (!writing_) WriteNext();
}

void Stream::WriteNext() {
  const grpc::Slice slice(queue_.front().bytes);
  outgoing_ = grpc::ByteBuffer(&slice, 1);
  queue_.pop_front();
  writing_ = true;
  StartWrite(&outgoing_);
}

void Stream::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  if (!ok) queue_.clear();
  if (!queue_.empty()) return WriteNext();
  FinishIfIdle();
}

void Stream::End(const absl::Status& status) {
  const std::lock_guard lock(mutex_);
  if (end_) return;
  end_ = status;
  FinishIfIdle();
}

void Stream::EndIfSilent(int64_t opened_ns) {
  if (heard_ || opened_ns_ > opened_ns) return;
  Refuse("silent", absl::DeadlineExceededError("stream: nothing was said after it was opened"));
}

void Stream::Identify(std::function<absl::Status()> allowed) {
  const std::lock_guard lock(mutex_);
  allowed_ = std::move(allowed);
}

void Stream::EndIfStranger() {
  std::function<absl::Status()> allowed;
  {
    const std::lock_guard lock(mutex_);
    allowed = allowed_;
  }
  if (!allowed) return;
  const absl::Status status = allowed();
  if (!status.ok()) Refuse("identity", status);
}

void Stream::EndIfOf(const std::set<std::string>& peers) {
  if (!peers.contains(connection_->peer)) return;
  Refuse("too_large", InvalidArgument(fmt::format("message: has not ended: at most {} bytes",
                                                  max_message_bytes_)));
}

void Stream::Refuse(std::string_view cause, const absl::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    if (end_) return;
  }
  metrics_.StreamRefused(cause);
  End(status);
}

void Stream::FinishIfIdle() {
  if (!end_ || writing_ || finished_) return;
  finished_ = true;
  Finish(ToGrpc(*end_));
}

void Stream::OnDone() {
  exchange_.reset();
  streams_.Remove(this);
  // The last use of this object.
  const auto self = std::move(self_);
}

}  // namespace huatuo
