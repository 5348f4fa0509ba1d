// How often a client may do something: a token bucket for each, by name.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace huatuo {

// Not thread-safe. Times are of any clock that does not go backwards.
class Bucket {
 public:
  // `per_second` 0: no limit. Full at first; holds `burst`.
  Bucket(double per_second, double burst) : rate_(per_second), burst_(burst), level_(burst) {}

  // Whether `amount` was in it, which is then gone. More than it holds can be taken when it is
  // full, and is owed.
  bool Take(double amount, int64_t now_ns);
  // How long until it has something again.
  std::chrono::nanoseconds Wait() const;
  bool full(int64_t now_ns) const;

 private:
  double LevelAt(int64_t now_ns) const;

  double rate_;
  double burst_;
  double level_;
  int64_t filled_ns_ = 0;
};

// Buckets by name. At most `kMostNames` are kept; who comes when all of them are in use shares one
// with the others of the kind, so that inventing names does not help. Thread-safe.
class RateLimits {
 public:
  static constexpr size_t kMostNames = 10'000;

  RateLimits(double per_second, double burst) : rate_(per_second), burst_(burst) {}

  // Zero: go on; else how long to wait before trying again.
  std::chrono::nanoseconds Take(std::string_view name, int64_t now_ns);

 private:
  Bucket& Find(std::string_view name, int64_t now_ns);

  const double rate_;
  const double burst_;
  std::mutex mutex_;
  std::map<std::string, Bucket, std::less<>> buckets_;
  Bucket others_{rate_, burst_};
  int64_t swept_ns_ = 0;
};

}  // namespace huatuo
