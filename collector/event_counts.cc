#include "collector/event_counts.h"

namespace huatuo {

void EventCounts::Add(uint16_t unit, const v1::Container* container, Time now) {
  const std::lock_guard lock(mutex_);
  ++node_[unit].events;
  if (container == nullptr) return;
  auto found = containers_.find({unit, container->id()});
  if (found == containers_.end()) {
    if (containers_.size() >= kMaxPairs) {
      ++uncounted_;
      return;
    }
    found = containers_.try_emplace({unit, container->id()}).first;
    found->second.container = *container;
  }
  ++found->second.events;
  found->second.newest = now;
}

void EventCounts::AddFolded(uint16_t unit) {
  const std::lock_guard lock(mutex_);
  ++node_[unit].folded;
}

EventCounts::OfNode EventCounts::Node(uint16_t unit) const {
  const std::lock_guard lock(mutex_);
  return node_[unit];
}

uint64_t EventCounts::uncounted() const {
  const std::lock_guard lock(mutex_);
  return uncounted_;
}

void EventCounts::Forget(const std::set<std::string>& live, Time now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(containers_, [&](const auto& entry) {
    return !live.contains(entry.first.second) && now - entry.second.newest >= kKeep;
  });
}

void EventCounts::EachContainer(
    const std::function<void(uint16_t unit, const v1::Container&, uint64_t events)>& take) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, entry] : containers_) take(key.first, entry.container, entry.events);
}

}  // namespace huatuo
