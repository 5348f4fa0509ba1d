// How many entries were given up, by cause. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class Losses {
 public:
  enum Cause { kMemoryFull, kSpoolFull, kSpoolCorrupt, kTooLarge, kServerLost, kCauses };
  static constexpr std::array<std::string_view, kCauses> kNames = {
      "memory_full", "spool_full", "spool_corrupt", "too_large", "server_lost"};

  void Add(Cause cause, uint64_t count) { counts_[cause] += count; }
  uint64_t Get(Cause cause) const { return counts_[cause]; }

  // Appends one Loss for each cause that has happened.
  template <typename Repeated>
  void Fill(Repeated* losses) const {
    for (size_t i = 0; i < kCauses; ++i) {
      if (counts_[i] > 0) {
        auto* loss = losses->Add();
        loss->set_cause(std::string(kNames[i]));
        loss->set_count(counts_[i]);
      }
    }
  }

 private:
  std::array<std::atomic<uint64_t>, kCauses> counts_{};
};

}  // namespace huatuo
