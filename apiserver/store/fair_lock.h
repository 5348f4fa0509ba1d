// A mutex that is given in the order in which it was asked for.
//
// Work that takes it again and again in small steps (pruning, indexing) would keep a plain mutex
// from everybody else. Meets BasicLockable.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace huatuo {

class FairLock {
 public:
  void lock() {
    std::unique_lock lock(mutex_);
    const uint64_t ticket = next_++;
    changed_.wait(lock, [&] { return ticket == serving_; });
  }

  void unlock() {
    const std::lock_guard lock(mutex_);
    ++serving_;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t next_ = 0;
  uint64_t serving_ = 0;
};

}  // namespace huatuo
