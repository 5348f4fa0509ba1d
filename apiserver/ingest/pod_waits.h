// Entries that came before the cluster told of their pods.
//
// The first events of a container can be here before the API server tells of it. They wait, and
// what their stream sends after them waits behind them, so that entries stay in order and other
// streams notice nothing. They go on as soon as the pods are known, else after some seconds, or
// when too much waits, with what the node knows. What waits has not been acked: when the stream or
// this process ends, the node sends it again.
//
// A container that stayed unknown is not waited for a second time within ten minutes; a pod's
// sandbox, of which the API never tells, costs one wait. Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/ingest/exchange.h"
#include "apiserver/pods/pod_index.h"
#include "common/clock.h"
#include "huatuo/v1/huatuo.pb.h"

namespace prometheus {
class Registry;
}

namespace huatuo {

struct PodWaitOptions {
  int64_t wait_ns = 5'000'000'000;
  size_t max_bytes = 32 << 20;        // of all streams
  size_t max_stream_bytes = 4 << 20;  // of one
};

class PodWaits {
 public:
  // What became of events whose pods were not known.
  enum class Outcome { kCompleted, kTimedOut, kOverflow, kGivenUp };

  // Where batches go on to. `from_stream`: on the thread of Push, which the status and the answer
  // reach; else a status ends the line, and the function sees to the stream.
  using Pass =
      std::function<absl::StatusOr<Exchange::Next>(const v1::EntryBatch&, bool from_stream)>;

  // The batches of one stream, in order.
  class Line : public std::enable_shared_from_this<Line> {
   public:
    Line(PodWaits& waits, Pass pass) : waits_(waits), pass_(std::move(pass)) {}
    ~Line();
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;

    // Passes the batch on, now or later. Not to be called by two threads at a time.
    absl::StatusOr<Exchange::Next> Push(const v1::EntryBatch& batch);

   private:
    friend class PodWaits;
    struct Waiting {
      v1::EntryBatch batch;
      int64_t deadline_ns = 0;
      size_t bytes = 0;
      uint64_t unresolved = 0;  // events, when it came
    };
    // Passes on what need not wait any more. Once something failed, nothing waits.
    absl::StatusOr<Exchange::Next> Release(bool from_stream);
    // Of the thread: whether something still waits.
    bool Advance();
    // Why `front` need not wait any more; nullopt: it has to.
    std::optional<Outcome> Verdict(const Waiting& front) const;
    bool Crowded() const;
    void Forget();

    PodWaits& waits_;
    const Pass pass_;
    std::mutex mutex_;  // never held while a batch is passed on
    std::deque<Waiting> queue_;
    size_t bytes_ = 0;
    bool passing_ = false;
    bool active_ = false;  // the thread looks after it
  };

  PodWaits(const PodIndex& pods, const Clock& clock, prometheus::Registry& registry,
           PodWaitOptions options = {});
  ~PodWaits();
  PodWaits(const PodWaits&) = delete;
  PodWaits& operator=(const PodWaits&) = delete;

  // Must outlive its lines.
  std::shared_ptr<Line> Open(Pass pass) { return std::make_shared<Line>(*this, std::move(pass)); }

  // Lets go what is ready; the thread does so ten times a second while something waits.
  void Advance();

  const PodIndex& pods() const { return pods_; }

 private:
  struct Metrics;

  // Events of a batch that the cluster may yet tell more of.
  struct Unknown {
    uint64_t worth_waiting = 0;
    uint64_t given_up = 0;
  };
  Unknown Count(const v1::EntryBatch& batch);
  bool GivenUp(const v1::Container& container);
  void Account(const Line::Waiting& done, Outcome otherwise);
  void GiveUp(const v1::EntryBatch& batch);
  void Activate(const std::shared_ptr<Line>& line);
  void Reserve(int64_t bytes);
  void Run();

  const PodIndex& pods_;
  const Clock& clock_;
  const PodWaitOptions options_;
  const std::unique_ptr<Metrics> metrics_;
  std::atomic<int64_t> bytes_ = 0;

  std::mutex given_up_mutex_;
  absl::flat_hash_map<std::string, int64_t> given_up_;  // by container id or pod uid: until when
  std::deque<std::string> given_up_order_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::weak_ptr<Line>> active_;
  bool stop_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace huatuo
