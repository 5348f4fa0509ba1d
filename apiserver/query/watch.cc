#include "apiserver/query/watch.h"

#include <fmt/format.h>

#include <algorithm>

namespace huatuo {
namespace {

constexpr size_t kBatchRows = 64;

}  // namespace

Watch::Watch(Querier& querier, HttpCounts& counts, EventFilter filter, uint64_t position)
    : querier_(querier), counts_(counts), filter_(std::move(filter)), position_(position) {}

void Watch::Start(std::shared_ptr<EventStream> stream, CommitSignal& signal) {
  stream_ = std::move(stream);
  stream_->OnWake(
      [self = shared_from_this()](EventStream::Wake wake) { self->OnStreamWake(wake); });
  subscription_ = signal.Subscribe([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Wake();
  });
  // What was committed before the subscription.
  Wake();
}

std::string Watch::Message(const StoredEvent& event) {
  return fmt::format("id: {}\nevent: event\ndata: {}\n\n", event.position, event.row.document);
}

void Watch::OnStreamWake(EventStream::Wake wake) {
  switch (wake) {
    case EventStream::Wake::kClosed:
      subscription_.Reset();
      return;
    case EventStream::Wake::kTick:
      // An id without data moves the client's last id past rows that its filter left out.
      stream_->Send(fmt::format(": heartbeat\nid: {}\n\n", position_.load()));
      break;
    case EventStream::Wake::kDrained:
      break;
  }
  Wake();
}

// At most one Pump runs at a time; one that is asked for while another runs makes it go on.
void Watch::Wake() {
  if (wakes_.fetch_add(1) == 0) {
    stream_->Run([self = shared_from_this()] { self->Pump(); });
  }
}

void Watch::Pump() {
  uint64_t seen = 0;
  do {
    seen = wakes_.load();
    while (stream_->open() && stream_->buffered_bytes() < kBufferBytes && SendBatch()) {
    }
  } while (wakes_.fetch_sub(seen) != seen);
}

// Returns whether there may be more.
bool Watch::SendBatch() {
  // Read before the rows: everything up to it is then among them, so that the position can pass
  // rows which the filter leaves out.
  const absl::StatusOr<uint64_t> newest = querier_.Newest();
  if (newest.ok() && *newest <= position_) return false;
  const auto rows = querier_.Query(filter_, Order::kOldestFirst, position_, kBatchRows);
  if (!newest.ok() || !rows.ok()) {
    // The position stays; the next commit or heartbeat tries again.
    counts_.watch_errors.Increment();
    return false;
  }
  std::string text;
  for (const StoredEvent& event : *rows) text += Message(event);
  const uint64_t last = rows->empty() ? 0 : rows->back().position;
  if (!text.empty()) stream_->Send(std::move(text));
  counts_.watched_events.Increment(static_cast<double>(rows->size()));
  position_ = rows->size() < kBatchRows ? std::max(last, *newest) : last;
  return true;
}

}  // namespace huatuo
