// A reply of server-sent events, from its head to the end of the connection. Only
// http_connection.cc includes this: Asio is expensive.
#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "apiserver/query/http_connection.h"

namespace huatuo {

// What is sent is queued, and a read is always pending, so that a client that goes is noticed.
// `Stream`: of Beast, plain or TLS, whose executor is a strand; all members are used on it only,
// except where said otherwise.
template <class Stream>
class EventConnection final : public Connection,
                              public EventStream,
                              public std::enable_shared_from_this<EventConnection<Stream>> {
 public:
  EventConnection(ServerCore& core, Stream stream, AddressPlaces::Place place)
      : core_(core),
        place_(std::move(place)),
        stream_(std::move(stream)),
        tick_(stream_.get_executor()) {
    core_.connections.Add(this);
  }
  ~EventConnection() override { core_.connections.Remove(this); }

  // Sends `text`, the head of the reply and what comes first, and lets `response.stream` send the
  // rest.
  void Start(std::string text, const Response& response);

  void Stop() override;
  void Abort() override;
  std::weak_ptr<Connection> Weak() override { return this->weak_from_this(); }

  void Send(std::string text) override;
  size_t buffered_bytes() const override { return buffered_bytes_; }
  bool open() const override { return open_; }
  void Close() override;
  void OnWake(std::function<void(Wake)> call) override { wake_ = std::move(call); }
  void Run(std::function<void()> work) override;

 private:
  using Error = boost::system::error_code;
  static constexpr size_t kWriteBytes = 64 << 10;
  static constexpr std::string_view kEndEvent =
      "event: end\ndata: {\"reason\":\"the server stops\"}\n\n";
  static constexpr std::string_view kNotAllowedEvent =
      "event: end\ndata: {\"reason\":\"the token is no longer what it was\"}\n\n";

  std::shared_ptr<EventConnection> Self() { return this->shared_from_this(); }
  boost::beast::tcp_stream& Tcp() { return boost::beast::get_lowest_layer(stream_); }
  template <class F>
  void OnStrand(F call) {
    boost::asio::post(stream_.get_executor(),
                      [self = Self(), call = std::move(call)] { call(*self); });
  }

  void ReadUntilGone();
  void Tick();
  void Flush();
  void OnFlushed(const Error& error);
  void EndStream();
  // After these last words.
  void End(std::string_view event);

  ServerCore& core_;
  const AddressPlaces::Place place_;
  Stream stream_;
  std::atomic<bool> stopped_ = false;  // the end has been said
  bool closing_ = false;
  bool writing_ = false;
  boost::asio::steady_timer tick_;
  std::function<void(Wake)> wake_;
  std::function<bool()> still_allowed_;
  std::string in_flight_;
  char discarded_[4096];
  std::atomic<bool> open_{true};           // any thread
  std::atomic<size_t> buffered_bytes_{0};  // any thread
  std::mutex mutex_;
  std::string pending_;  // guarded by mutex_
};

template <class Stream>
void EventConnection<Stream>::Start(std::string text, const Response& response) {
  core_.counts.watches.Increment();
  still_allowed_ = response.still_allowed;
  Send(std::move(text));
  Tcp().expires_never();
  ReadUntilGone();
  Tick();
  response.stream(Self());
}

template <class Stream>
void EventConnection<Stream>::ReadUntilGone() {
  stream_.async_read_some(boost::asio::buffer(discarded_),
                          [self = Self()](const Error& error, size_t) {
                            if (error) return self->EndStream();
                            self->ReadUntilGone();
                          });
}

template <class Stream>
void EventConnection<Stream>::Tick() {
  tick_.expires_after(core_.options.heartbeat);
  tick_.async_wait([weak = this->weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (error || !self || !self->open_) return;
    if (self->still_allowed_ && !self->still_allowed_()) return self->End(kNotAllowedEvent);
    if (self->wake_) self->wake_(Wake::kTick);
    self->Tick();
  });
}

template <class Stream>
void EventConnection<Stream>::Send(std::string text) {
  if (!open_) return;
  {
    const std::lock_guard lock(mutex_);
    pending_ += text;
    buffered_bytes_ += text.size();
  }
  OnStrand([](EventConnection& self) { self.Flush(); });
}

template <class Stream>
void EventConnection<Stream>::Flush() {
  if (writing_ || !open_) return;
  {
    const std::lock_guard lock(mutex_);
    in_flight_ = pending_.substr(0, kWriteBytes);
    pending_.erase(0, in_flight_.size());
  }
  if (in_flight_.empty()) return;
  writing_ = true;
  // Sets the deadline of writing only, since a read is pending.
  Tcp().expires_after(core_.options.stall_timeout);
  boost::asio::async_write(stream_, boost::asio::buffer(in_flight_),
                           [self = Self()](const Error& error, size_t) { self->OnFlushed(error); });
}

template <class Stream>
void EventConnection<Stream>::OnFlushed(const Error& error) {
  writing_ = false;
  if (error == boost::beast::error::timeout) core_.counts.slow_watches.Increment();
  if (error) return EndStream();
  buffered_bytes_ -= in_flight_.size();
  if (buffered_bytes_ > 0) return Flush();
  if (closing_) return EndStream();
  if (wake_) wake_(Wake::kDrained);
}

template <class Stream>
void EventConnection<Stream>::EndStream() {
  if (!open_.exchange(false)) return;
  core_.counts.watches.Decrement();
  tick_.cancel();
  // The callback owns its reader, which owns this stream.
  if (const auto wake = std::exchange(wake_, nullptr)) wake(Wake::kClosed);
  Error ignored;
  Tcp().socket().shutdown(boost::asio::socket_base::shutdown_both, ignored);
}

template <class Stream>
void EventConnection<Stream>::Close() {
  OnStrand([](EventConnection& self) {
    self.closing_ = true;
    if (!self.writing_ && self.buffered_bytes_ == 0) self.EndStream();
  });
}

template <class Stream>
void EventConnection<Stream>::Run(std::function<void()> work) {
  boost::asio::post(core_.workers, std::move(work));
}

template <class Stream>
void EventConnection<Stream>::Stop() {
  End(kEndEvent);
}

template <class Stream>
void EventConnection<Stream>::End(std::string_view event) {
  // Once by the server, and once by the connection that this one came from.
  if (stopped_.exchange(true)) return;
  Send(std::string(event));
  Close();
}

template <class Stream>
void EventConnection<Stream>::Abort() {
  OnStrand([](EventConnection& self) {
    self.Tcp().close();
    self.EndStream();
  });
}

}  // namespace huatuo
