// Events of one unit that are the same but for their time become one with a count.
//
// The first goes at once. Those that are the same within the window after it are held back and go
// as one when it ends: the first of them, with `repeated` and the last time. While that goes on,
// each window yields one event; a window without any ends it. What is the same is said by
// EventType::same, together with the containers.
//
// Used on the event thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/unit.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class Repeats {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // What is watched for repetitions at a time; what comes beyond it goes as it is.
  static constexpr size_t kMax = 1024;

  enum class Fate {
    kShip,
    kHeld,    // it goes later
    kFolded,  // it became part of one that goes later
  };

  // A window of zero folds nothing.
  Repeats(std::span<const Unit* const> units, std::chrono::milliseconds window);

  // Moves from `event` unless it is to be shipped.
  Fate Take(v1::Event& event, Time now);

  // What is due, in the order of its windows.
  std::vector<v1::Event> Release(Time now);
  // When something is due; far away when nothing is held.
  Time due() const { return order_.empty() ? Time::max() : order_.front().due; }

 private:
  struct Entry {
    std::string key;
    Time due;
    std::optional<v1::Event> held;
  };

  const std::chrono::milliseconds window_;
  // By (unit, type): indexes of the values that must be the same. Empty: nothing folds.
  std::vector<std::vector<std::vector<int>>> same_;
  std::list<Entry> order_;  // the next one due is the first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
};

}  // namespace huatuo
