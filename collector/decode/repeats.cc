#include "collector/decode/repeats.h"

#include <algorithm>

#include "collector/decode/decoder.h"

namespace huatuo {
namespace {

// Lengths keep two values apart that would read the same in a row.
void AddPart(const std::string& part, std::string& key) {
  const uint32_t size = static_cast<uint32_t>(part.size());
  key.append(reinterpret_cast<const char*>(&size), sizeof(size));
  key += part;
}

std::string KeyOf(const v1::Event& event, std::span<const int> same) {
  std::string key;
  const uint32_t of[] = {event.unit(), event.type()};
  key.append(reinterpret_cast<const char*>(of), sizeof(of));
  for (const v1::Subject& subject : event.subjects()) AddPart(subject.container().id(), key);
  for (const int index : same) AddPart(event.values(index).SerializeAsString(), key);
  return key;
}

void FoldInto(v1::Event& held, const v1::Event& next) {
  held.set_repeated(std::max<uint64_t>(held.repeated(), 1) + 1);
  held.set_last_time_ns(next.time_ns());
}

}  // namespace

Repeats::Repeats(std::span<const Unit* const> units, std::chrono::milliseconds window)
    : window_(window) {
  for (const Unit* unit : units) {
    auto& types = same_.emplace_back();
    for (const EventType& type : unit->events) {
      auto& indexes = types.emplace_back();
      for (const std::string_view name : type.same) indexes.push_back(ValueIndex(type, name));
    }
  }
}

Repeats::Fate Repeats::Take(v1::Event& event, Time now) {
  const std::vector<int>& same = same_[event.unit()][event.type()];
  if (same.empty() || window_.count() == 0) return Fate::kShip;
  std::string key = KeyOf(event, same);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    if (by_key_.size() >= kMax) return Fate::kShip;
    order_.push_back({key, now + window_, std::nullopt});
    by_key_.emplace(std::move(key), std::prev(order_.end()));
    return Fate::kShip;
  }
  std::optional<v1::Event>& held = found->second->held;
  if (held.has_value()) {
    FoldInto(*held, event);
    return Fate::kFolded;
  }
  held = std::move(event);
  return Fate::kHeld;
}

std::vector<v1::Event> Repeats::Release(Time now) {
  std::vector<v1::Event> events;
  while (!order_.empty() && order_.front().due <= now) {
    const auto first = order_.begin();
    const bool goes_on = first->held.has_value() && now != Time::max();
    if (first->held.has_value()) events.push_back(std::move(*first->held));
    if (goes_on) {
      first->held.reset();
      first->due = now + window_;
      order_.splice(order_.end(), order_, first);
    } else {
      by_key_.erase(first->key);
      order_.erase(first);
    }
  }
  return events;
}

}  // namespace huatuo
