#include "apiserver/query/task_watch.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

namespace huatuo {

void TaskWatch::Start(std::shared_ptr<EventStream> stream) {
  stream_ = std::move(stream);
  stream_->OnWake(
      [self = shared_from_this()](EventStream::Wake wake) { self->OnStreamWake(wake); });
  subscription_ = tasks_.changed().Subscribe([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Wake();
  });
  // What changed before the subscription.
  Wake();
}

void TaskWatch::OnStreamWake(EventStream::Wake wake) {
  switch (wake) {
    case EventStream::Wake::kClosed:
      subscription_.Reset();
      return;
    case EventStream::Wake::kTick:
      stream_->Send(": heartbeat\n\n");
      break;
    case EventStream::Wake::kDrained:
      break;
  }
  Wake();
}

// At most one Pump runs at a time; one that is asked for while another runs makes it go on.
void TaskWatch::Wake() {
  if (wakes_.fetch_add(1) == 0) {
    stream_->Run([self = shared_from_this()] { self->Pump(); });
  }
}

void TaskWatch::Pump() {
  uint64_t seen = 0;
  do {
    seen = wakes_.load();
    Look();
  } while (wakes_.fetch_sub(seen) != seen);
}

// While the client has not taken the last document, newer ones only replace each other.
void TaskWatch::Look() {
  if (ended_ || !stream_->open() || stream_->buffered_bytes() > 0) return;
  const auto task = tasks_.Find(id_);
  if (!task.ok()) {
    // The next change or heartbeat looks again.
    counts_.watch_errors.Increment();
    return;
  }
  if (task->has_value() && (*task)->version > seen_) {
    seen_ = (*task)->version;
    stream_->Send(fmt::format("id: {}\nevent: task\ndata: {}\n\n", seen_,
                              boost::json::serialize(TaskJson(**task))));
  }
  if (task->has_value() && !Ended((*task)->state)) return;
  // The stream is open until its own thread has closed it.
  ended_ = true;
  stream_->Send("event: end\ndata: {\"reason\":\"the task has ended\"}\n\n");
  stream_->Close();
}

}  // namespace huatuo
