// Brings a sink what the store commits, from a thread of its own.
//
// Its position is a fact of the store ("sink", name), written after each delivery: after a restart
// it goes on there. A sink that is new begins with what is committed after its start. While a sink
// fails, its batch is tried again with growing pauses; what retention takes meanwhile is lost to it
// and counted.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/status/statusor.h"
#include "apiserver/sink/sink.h"
#include "apiserver/store/commit_signal.h"
#include "apiserver/store/store.h"

namespace huatuo {

struct FollowerOptions {
  size_t batch_events = 500;
  std::chrono::milliseconds first_pause{100};
  std::chrono::milliseconds longest_pause{30'000};
  // A commit of another apiserver on the same store rings no bell here.
  std::chrono::milliseconds look_at_least{1000};
};

class SinkMetrics {
 public:
  explicit SinkMetrics(prometheus::Registry& registry);

  void Delivered(std::string_view sink, uint64_t events);
  // `cause`: "retention", "too_large".
  void Lost(std::string_view sink, const char* cause, uint64_t events);
  void Failed(std::string_view sink);
  // Positions between the sink and the newest event.
  void Behind(std::string_view sink, uint64_t positions);

 private:
  prometheus::Family<prometheus::Counter>& delivered_;
  prometheus::Family<prometheus::Counter>& lost_;
  prometheus::Family<prometheus::Counter>& failures_;
  prometheus::Family<prometheus::Gauge>& behind_;
};

class SinkFollower {
 public:
  struct Source {
    Querier& events;
    FactStore& facts;
    CommitSignal& commits;
    SinkMetrics& metrics;
    // Of several apiservers on one store, whether it is ours to deliver; empty: always.
    std::function<bool()> turn = {};
  };

  // Errors of the store, or of a position there that is no number.
  static absl::StatusOr<std::unique_ptr<SinkFollower>> Start(const Source& source,
                                                             std::unique_ptr<Sink> sink,
                                                             const FollowerOptions& options = {});
  // Ends after the delivery that is under way.
  ~SinkFollower();

 private:
  SinkFollower(const Source& source, std::unique_ptr<Sink> sink, const FollowerOptions& options,
               uint64_t position);
  void Run(const std::stop_token& stop);
  absl::StatusOr<bool> Step();
  absl::StatusOr<bool> Ours();
  absl::Status Deliver(const std::vector<StoredEvent>& events);
  void Pause(const std::stop_token& stop, std::chrono::milliseconds at_most, bool for_commits);

  const Source source_;
  const std::unique_ptr<Sink> sink_;
  const FollowerOptions options_;
  uint64_t position_;  // of the last event that was delivered; used by the thread only
  bool ours_ = true;   // used by the thread only
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool committed_ = false;  // since the last look
  CommitSignal::Subscription subscription_;
  std::jthread thread_;
};

}  // namespace huatuo
