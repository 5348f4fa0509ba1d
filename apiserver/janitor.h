// Keeps the stores within their retention, once a minute and when it starts.
#pragma once

#include <prometheus/registry.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "apiserver/store/profile_store.h"
#include "apiserver/store/store.h"
#include "common/clock.h"

namespace huatuo {

class Janitor {
 public:
  struct Stores {
    Store& events;
    Retention event_retention;
    ProfileStore& profiles;
    Retention profile_retention;
  };
  Janitor(const Stores& stores, const Clock& clock, prometheus::Registry& registry);
  ~Janitor();

 private:
  void Run();
  void SweepEvents();
  void SweepProfiles();

  const Stores stores_;
  const Clock& clock_;
  prometheus::Family<prometheus::Gauge>& use_;
  prometheus::Counter& pruned_events_;
  prometheus::Counter& pruned_profiles_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace huatuo
