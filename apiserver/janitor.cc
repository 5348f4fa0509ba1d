#include "apiserver/janitor.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include "common/log.h"
#include "common/status.h"
#include "common/thread_name.h"

namespace huatuo {

namespace {

prometheus::Counter& Counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

Janitor::Janitor(const Stores& stores, const Clock& clock, prometheus::Registry& registry)
    : stores_(stores),
      clock_(clock),
      use_(prometheus::BuildGauge()
               .Name("huatuo_apiserver_store_use")
               .Help("What the stores hold.")
               .Register(registry)),
      pruned_events_(Counter(registry, "huatuo_apiserver_store_pruned_events_total",
                             "Events that went by age or size.")),
      pruned_profiles_(Counter(registry, "huatuo_apiserver_store_pruned_profiles_total",
                               "Profiles that went by age or size.")) {
  thread_ = std::thread([this] { Run(); });
}

Janitor::~Janitor() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Janitor::Run() {
  NameThread("janitor");
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    const bool ours = !stores_.turn || stores_.turn();
    SweepEvents(ours);
    SweepProfiles(ours);
    lock.lock();
    changed_.wait_for(lock, std::chrono::minutes(1), [this] { return stop_; });
  }
}

void Janitor::SweepEvents(bool ours) {
  const absl::StatusOr<uint64_t> pruned =
      ours ? stores_.events.Prune(stores_.event_retention, clock_.WallNs()) : uint64_t{0};
  if (pruned.ok()) {
    pruned_events_.Increment(static_cast<double>(*pruned));
  } else {
    LogWarning("retention: " + Message(pruned.status()));
  }
  const absl::StatusOr<StoreUse> use = stores_.events.Use();
  if (!use.ok()) return;
  use_.Add({{"of", "events"}}).Set(static_cast<double>(use->events));
  use_.Add({{"of", "bytes"}}).Set(static_cast<double>(use->bytes));
}

void Janitor::SweepProfiles(bool ours) {
  const absl::StatusOr<uint64_t> pruned =
      ours ? stores_.profiles.Prune(stores_.profile_retention, clock_.WallNs()) : uint64_t{0};
  if (pruned.ok()) {
    pruned_profiles_.Increment(static_cast<double>(*pruned));
  } else {
    LogWarning("retention of profiles: " + Message(pruned.status()));
  }
  const absl::StatusOr<ProfileUse> use = stores_.profiles.Use();
  if (!use.ok()) return;
  use_.Add({{"of", "profiles"}}).Set(static_cast<double>(use->profiles));
  use_.Add({{"of", "profile_bytes"}}).Set(static_cast<double>(use->bytes));
}

}  // namespace huatuo
