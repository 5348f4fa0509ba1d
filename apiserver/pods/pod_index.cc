#include "apiserver/pods/pod_index.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

namespace huatuo {
namespace {

// Calls `name(text, container)` for everything that stands for the pod.
template <typename Visit>
void ForEachName(const Pod& pod, Visit visit) {
  visit(pod.uid, -1);
  if (!pod.config_hash.empty()) visit(pod.config_hash, -1);
  for (size_t i = 0; i < pod.containers.size(); ++i) {
    for (const std::string& id : pod.containers[i].ids) visit(id, static_cast<int32_t>(i));
  }
}

uint64_t Ids(const Pod& pod) {
  uint64_t ids = 0;
  for (const PodContainer& container : pod.containers) ids += container.ids.size();
  return ids;
}

}  // namespace

PodIndex::Found PodIndex::Find(std::string_view container_id, std::string_view pod_uid) const {
  const std::shared_lock lock(mutex_);
  auto found = container_id.empty() ? names_.end() : names_.find(container_id);
  if (found == names_.end() && !pod_uid.empty()) found = names_.find(pod_uid);
  if (found == names_.end()) return {};
  const Meaning& meaning = found->second;
  if (meaning.container < 0) return {meaning.pod, nullptr};
  return {meaning.pod, &meaning.pod->containers[static_cast<size_t>(meaning.container)]};
}

void PodIndex::Set(Pod pod) {
  const int64_t now_ns = clock_.BootNs();
  const std::unique_lock lock(mutex_);
  Live& live = pods_[pod.uid];
  live.round = round_;
  const bool same = live.pod && !pod.resource_version.empty() &&
                    live.pod->resource_version == pod.resource_version;
  if (same) return;
  const auto next = std::make_shared<const Pod>(std::move(pod));
  const auto previous = std::exchange(live.pod, next);
  Name(next);
  containers_ += Ids(*next);
  if (previous) {
    containers_ -= Ids(*previous);
    // What the new version has as well means that already.
    ForEachName(*previous,
                [&](const std::string& name, int32_t) { BuryName(name, previous.get(), now_ns); });
  }
  Expire(now_ns);
  Changed();
}

void PodIndex::Delete(const std::string& uid) {
  const std::unique_lock lock(mutex_);
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  const auto pod = std::move(found->second.pod);
  pods_.erase(found);
  Bury(pod);
  Changed();
}

void PodIndex::EndList() {
  const std::unique_lock lock(mutex_);
  std::vector<std::shared_ptr<const Pod>> gone;
  absl::erase_if(pods_, [&](const auto& item) {
    if (item.second.round == round_) return false;
    gone.push_back(item.second.pod);
    return true;
  });
  for (const auto& pod : gone) Bury(pod);
  Changed();
}

void PodIndex::Name(const std::shared_ptr<const Pod>& pod) {
  ForEachName(*pod, [&](const std::string& name, int32_t container) {
    Meaning& meaning = names_[name];
    if (meaning.gone_ns != 0) --buried_;
    meaning = {.pod = pod, .container = container, .gone_ns = 0};
  });
}

void PodIndex::Bury(const std::shared_ptr<const Pod>& pod) {
  const int64_t now_ns = clock_.BootNs();
  containers_ -= Ids(*pod);
  ForEachName(*pod, [&](const std::string& name, int32_t) { BuryName(name, pod.get(), now_ns); });
  Expire(now_ns);
}

// Unless the name stands for another pod or version by now.
void PodIndex::BuryName(const std::string& name, const Pod* pod, int64_t now_ns) {
  const auto found = names_.find(name);
  if (found == names_.end() || found->second.pod.get() != pod || found->second.gone_ns != 0) return;
  // 0 would mean that it is there.
  found->second.gone_ns = std::max<int64_t>(now_ns, 1);
  tombstones_.push_back({name, found->second.gone_ns});
  ++buried_;
}

void PodIndex::Expire(int64_t now_ns) {
  while (!tombstones_.empty()) {
    const Tombstone& oldest = tombstones_.front();
    const auto found = names_.find(oldest.name);
    const bool stale = found == names_.end() || found->second.gone_ns != oldest.gone_ns;
    const bool old = now_ns - oldest.gone_ns >= options_.tombstone_ns;
    if (!stale && !old && tombstones_.size() <= options_.max_tombstones) return;
    if (!stale) {
      if (!old) ++evicted_;
      names_.erase(found);
      --buried_;
    }
    tombstones_.pop_front();
  }
}

PodIndex::Counts PodIndex::counts() const {
  const std::shared_lock lock(mutex_);
  return {
      .pods = pods_.size(), .containers = containers_, .tombstones = buried_, .evicted = evicted_};
}

}  // namespace huatuo
