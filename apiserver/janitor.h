// Keeps the stores within their retention, once a minute and when it starts. Of several apiservers
// on one store, one does.
#pragma once

#include <prometheus/registry.h>

#include <condition_variable>
#include <functional>
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
    std::function<bool()> turn = {};  // whether it is ours to sweep; empty: always
  };
  Janitor(const Stores& stores, const Clock& clock, prometheus::Registry& registry);
  ~Janitor();

 private:
  void Run();
  void SweepEvents(bool ours);
  void SweepProfiles(bool ours);

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
