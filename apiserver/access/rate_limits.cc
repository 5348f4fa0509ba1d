#include "apiserver/access/rate_limits.h"

#include <algorithm>
#include <cmath>

namespace huatuo {
namespace {

constexpr int64_t kSweepNs = 1'000'000'000;

}  // namespace

double Bucket::LevelAt(int64_t now_ns) const {
  const int64_t passed = std::max<int64_t>(0, now_ns - filled_ns_);
  return std::min(burst_, level_ + rate_ * (static_cast<double>(passed) / 1e9));
}

bool Bucket::Take(double amount, int64_t now_ns) {
  if (rate_ <= 0) return true;
  level_ = LevelAt(now_ns);
  filled_ns_ = std::max(filled_ns_, now_ns);
  if (level_ < std::min(amount, burst_)) return false;
  level_ -= amount;
  return true;
}

std::chrono::nanoseconds Bucket::Wait() const {
  if (rate_ <= 0 || level_ >= 1) return std::chrono::nanoseconds(0);
  return std::chrono::nanoseconds(static_cast<int64_t>(std::ceil((1 - level_) / rate_ * 1e9)));
}

bool Bucket::full(int64_t now_ns) const { return LevelAt(now_ns) >= burst_; }

Bucket& RateLimits::Find(std::string_view name, int64_t now_ns) {
  const auto found = buckets_.find(name);
  if (found != buckets_.end()) return found->second;
  // A full bucket says nothing that a new one would not.
  if (buckets_.size() >= kMostNames && now_ns - swept_ns_ >= kSweepNs) {
    swept_ns_ = now_ns;
    std::erase_if(buckets_, [now_ns](const auto& one) { return one.second.full(now_ns); });
  }
  if (buckets_.size() >= kMostNames) return others_;
  return buckets_.emplace(std::string(name), Bucket(rate_, burst_)).first->second;
}

std::chrono::nanoseconds RateLimits::Take(std::string_view name, int64_t now_ns) {
  if (rate_ <= 0) return std::chrono::nanoseconds(0);
  const std::lock_guard lock(mutex_);
  Bucket& bucket = Find(name, now_ns);
  if (bucket.Take(1, now_ns)) return std::chrono::nanoseconds(0);
  return std::max(bucket.Wait(), std::chrono::nanoseconds(1));
}

}  // namespace huatuo
