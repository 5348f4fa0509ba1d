// Keeps one stream to the server open and delivers over it what an outbox has.
//
// One thread of its own runs the exchanges one after another: connect, let the exchange speak until
// the stream ends, wait with exponential back-off and full jitter, again. Start and Stop are called
// once each; Nudge is thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "collector/ship/exchange.h"
#include "collector/ship/link.h"
#include "collector/ship/outbox.h"
#include "collector/ship/targets.h"

namespace huatuo {

struct CourierOptions {
  LinkOptions link{};
  // In place of the link's target: an apiserver that does not serve is followed by the next. Null:
  // there is only that one.
  std::shared_ptr<Targets> targets{};
  bool chooses = true;  // false: goes where the courier is that chooses
  std::chrono::milliseconds backoff_min{200};
  std::chrono::milliseconds backoff_max{30'000};
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds drain{2000};  // how long Stop waits for acks
  // Asked before each connection and every 50 ms until it says yes. Empty: at once.
  std::function<bool()> ready{};
};

// Thread-safe.
struct CourierCounters {
  std::atomic<uint64_t> streams = 0;       // that were welcomed
  std::atomic<uint64_t> ended = 0;         // streams and attempts that failed
  std::atomic<uint64_t> refused = 0;       // of these, by INVALID_ARGUMENT or ALREADY_EXISTS
  std::atomic<uint64_t> entries_sent = 0;  // also those sent again
  std::atomic<bool> connected = false;
};

class Courier {
 public:
  using Begin = std::function<std::unique_ptr<Exchange>()>;

  // `begin` makes the exchange of each stream and is called on the courier's thread. `outbox` and
  // `counters` must outlive the courier.
  Courier(CourierOptions options, Outbox& outbox, CourierCounters& counters, Begin begin);
  ~Courier();
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  void Start();
  // Delivers what is left, for a short while, and ends the thread.
  void Stop();

  // Makes the exchange be asked for its next message; may be called after the courier is gone.
  std::function<void()> Nudge() const;

 private:
  class Inbox;
  using Steady = std::chrono::steady_clock;

  void Run();
  absl::Status RunExchange(Exchange& exchange);
  absl::Status Serve(Exchange& exchange, Link& link);
  absl::Status Step(Exchange& exchange, Link& link, bool* writable);
  LinkOptions NextLink() const;
  size_t Alternatives() const;
  void Report(const absl::Status& status);
  void BackOff(bool healthy, const absl::Status& status);
  bool AwaitReady();
  bool StopIsDue(const Exchange& exchange) const;

  const CourierOptions options_;
  Outbox& outbox_;
  CourierCounters& counters_;
  const Begin begin_;
  std::shared_ptr<Inbox> inbox_;
  std::map<std::string, std::string> last_reports_;  // by target
  int attempt_ = 0;
  std::mt19937_64 random_;
  std::atomic<bool> stopping_ = false;
  std::atomic<Steady::rep> stop_at_ = 0;
  std::thread thread_;
};

}  // namespace huatuo
