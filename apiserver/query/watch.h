// One client that follows new events.
//
// It reads from the store by position, so that what it sends is exactly what is stored beyond the
// position where it began, in order, whatever the speed of either side. It reads no further while
// the client has not taken what was sent: a slow client costs a bounded buffer, and is ended when
// it takes nothing for a while (ServerOptions::stall_timeout).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "apiserver/query/http.h"
#include "apiserver/query/http_counts.h"
#include "apiserver/store/commit_signal.h"
#include "apiserver/store/store.h"

namespace huatuo {

class Watch : public std::enable_shared_from_this<Watch> {
 public:
  static constexpr size_t kBufferBytes = 256 << 10;  // no more is read while this much waits

  Watch(Querier& querier, HttpCounts& counts, EventFilter filter, uint64_t position);

  // Called once. Keeps itself alive until the stream is closed.
  void Start(std::shared_ptr<EventStream> stream, CommitSignal& signal);

  // How a client sees an event: `id` is its position.
  static std::string Message(const StoredEvent& event);

 private:
  void Wake();
  void Pump();
  bool SendBatch();
  void OnStreamWake(EventStream::Wake wake);

  Querier& querier_;
  HttpCounts& counts_;
  const EventFilter filter_;
  std::atomic<uint64_t> position_;  // written by Pump only
  std::atomic<uint64_t> wakes_{0};  // not zero: a Pump runs or will run
  std::shared_ptr<EventStream> stream_;
  CommitSignal::Subscription subscription_;
};

}  // namespace huatuo
