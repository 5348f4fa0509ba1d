// Runs nodes on one thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <thread>
#include <vector>

#include "test/fleet/load.h"
#include "test/fleet/node.h"
#include "test/fleet/tally.h"

namespace huatuo {

struct Weather {
  uint64_t churn_per_minute = 0;  // nodes of all that go for good, and others that come
  uint64_t storm_seconds = 0;     // every so often all streams break at once; 0: never
};

class Driver {
 public:
  // Nodes connect evenly over `ramp`. All must outlive the driver.
  Driver(std::vector<NodePlan> plans, const Weather& weather, Steady::duration ramp,
         const Load& load, Tally& tally);
  ~Driver();

  // No more events are made, no node goes or comes; what is made goes on to be delivered.
  void Quiet() { quiet_ = true; }
  bool AllAcked() const { return all_acked_; }
  // Entries that nodes which have gone for good had not delivered.
  uint64_t abandoned() const { return abandoned_; }

 private:
  using Due = std::pair<Steady::time_point, size_t>;

  void Run();
  bool Stopped();
  void Start(size_t index, NodePlan plan, Steady::time_point connect_at);
  void Wake(size_t index);
  void Later(size_t index, Steady::time_point at);
  std::vector<size_t> AwaitDue();
  void Round(Steady::time_point now);
  void Storm(Steady::time_point now);
  void Churn(Steady::time_point now);
  void Settle();

  const Weather weather_;
  const Load& load_;
  Tally& tally_;
  std::vector<std::unique_ptr<FleetNode>> nodes_;  // of the thread
  std::vector<Steady::time_point> next_;           // when each is due
  std::priority_queue<Due, std::vector<Due>, std::greater<>> timers_;
  SharedRound round_;
  uint64_t rounds_ = 0;
  Steady::time_point round_at_{};
  Steady::time_point storm_at_{};
  Steady::time_point churn_at_{};
  uint64_t generation_ = 0;
  size_t churned_ = 0;

  std::atomic<bool> quiet_ = false;
  std::atomic<bool> all_acked_ = false;
  std::atomic<uint64_t> abandoned_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<size_t> woken_;
  std::vector<bool> is_woken_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace huatuo
