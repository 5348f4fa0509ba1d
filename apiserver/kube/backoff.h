// How long to wait before the next try: twice as long each time, each time a random part of it
// more or less, so that many who failed together do not come back together.
//
// Not thread-safe.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace huatuo {

struct BackoffOptions {
  std::chrono::milliseconds first{500};
  std::chrono::milliseconds longest{30'000};
};

class Backoff {
 public:
  explicit Backoff(BackoffOptions options, uint64_t seed = std::random_device()())
      : options_(options), random_(seed), pause_(options.first) {}

  // From half of the pause to one and a half.
  std::chrono::milliseconds Next() {
    const auto pause = pause_;
    pause_ = std::min(pause_ * 2, options_.longest);
    std::uniform_int_distribution<int64_t> jitter(pause.count() / 2, pause.count() * 3 / 2);
    return std::chrono::milliseconds(jitter(random_));
  }
  void Reset() { pause_ = options_.first; }

 private:
  const BackoffOptions options_;
  std::mt19937_64 random_;
  std::chrono::milliseconds pause_;
};

}  // namespace huatuo
