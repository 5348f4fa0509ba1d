// The slow thread: it ends tasks when their time is over, once a second measures the cost and lets
// the governor act, and at each interval collects the metrics.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "collector/cost/governor.h"
#include "collector/cost/meter.h"
#include "collector/decode/pipeline.h"
#include "collector/enrich/containers.h"
#include "collector/event_loop.h"
#include "collector/roster.h"
#include "collector/self_report.h"
#include "collector/series_gate.h"
#include "collector/ship/outbox.h"
#include "collector/ship/profile_stream.h"
#include "collector/ship/series.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class Housekeeping {
 public:
  struct Parts {
    const Clock& clock;
    Roster& roster;
    TaskLedger& ledger;
    Pipeline& pipeline;
    Containers& containers;
    Outbox& outbox;
    ProfileStream& profiles;
    SeriesWriter& series;
    SeriesGate& gate;
    EventLoop& loop;
    SelfReport& report;
    std::span<const Unit* const> units;
  };

  struct Budget {
    double ratio;               // of the node's CPU
    int64_t hold_ns;            // how long a unit stays away at least
    uint64_t interval_seconds;  // of the measurements
  };

  Housekeeping(const Parts& parts, const Budget& budget, uint64_t interval_seconds,
               uint64_t ring_bytes);
  ~Housekeeping();

  // What the stages after the outbox have lost; asked at each round, must outlive Stop.
  using ShipLosses = std::function<std::vector<v1::Loss>()>;

  void Start(ShipLosses ship_losses);
  void Stop();

  // Units and losses as they are now, costs as they were measured last; thread-safe.
  v1::NodeStatus Status() const;

 private:
  void Run();
  void CloseExpired();
  std::chrono::steady_clock::time_point NextEnd() const;
  void Second();
  void Govern(const std::vector<Roster::Running>& running);
  void Report();
  void AddCurrent(v1::NodeStatus& status) const;
  void AddLosses(v1::NodeStatus& status) const;
  void Collect();

  const Parts parts_;
  const uint64_t interval_seconds_;
  Meter meter_;
  Governor governor_;
  ShipLosses ship_losses_;
  uint64_t second_ = 0;
  mutable std::mutex status_mutex_;  // guards parts_.report
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace huatuo
