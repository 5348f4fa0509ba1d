// How often each unit's events happened, for the node and for each container.
//
// The one place where events are counted: when their record arrives, whether it is then folded,
// shipped or silenced. What was refused before that is in the units' EmitCounts. Only instances
// that are always open count: a task sees the same a second time. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "collector/unit.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class EventCounts {
 public:
  // A container's count outlives it for so long, so that its end is seen.
  static constexpr std::chrono::minutes kKeep{5};
  // Pairs of unit and container; further ones count for the node only, and as uncounted.
  static constexpr size_t kMaxPairs = 4096;

  using Time = std::chrono::steady_clock::time_point;

  explicit EventCounts(std::span<const Unit* const> units) : units_(units), node_(units.size()) {}

  std::span<const Unit* const> units() const { return units_; }

  // `container`: of the harmed one; null: none.
  void Add(uint16_t unit, const v1::Container* container, Time now);
  // One of those that were added became part of another event.
  void AddFolded(uint16_t unit);

  struct OfNode {
    uint64_t events = 0;
    uint64_t folded = 0;
  };
  OfNode Node(uint16_t unit) const;
  // Events of containers that found no room.
  uint64_t uncounted() const;

  // Forgets the containers that are not in `live` and had no event for kKeep.
  void Forget(const std::set<std::string>& live, Time now);
  void EachContainer(const std::function<void(uint16_t unit, const v1::Container& container,
                                              uint64_t events)>& take) const;

 private:
  struct OfContainer {
    v1::Container container;
    uint64_t events = 0;
    Time newest;
  };

  const std::span<const Unit* const> units_;
  mutable std::mutex mutex_;
  std::vector<OfNode> node_;
  std::map<std::pair<uint16_t, std::string>, OfContainer> containers_;
  uint64_t uncounted_ = 0;
};

}  // namespace huatuo
