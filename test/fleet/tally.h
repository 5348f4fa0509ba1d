// What happened to all simulated nodes. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace huatuo {

struct Tally {
  std::atomic<uint64_t> connected = 0;  // welcomed and not ended, now
  std::atomic<uint64_t> streams = 0;    // that were welcomed
  std::atomic<uint64_t> events = 0;     // made, of nodes that behave
  std::atomic<uint64_t> acked = 0;
  std::atomic<uint64_t> resent = 0;
  std::atomic<uint64_t> rounds = 0;
  std::atomic<uint64_t> samples = 0;      // as Prometheus counts them
  std::atomic<uint64_t> late_rounds = 0;  // that began more than an interval too late
  std::atomic<uint64_t> bytes = 0;
  std::atomic<uint64_t> slow_downs = 0;

  // How a stream ended.
  void Ended(const std::string& how) {
    const std::lock_guard lock(mutex_);
    ++ends_[how];
  }
  // From the sending of an event to its ack.
  void AddDelay(int64_t ns) {
    const std::lock_guard lock(mutex_);
    delays_.push_back(ns);
  }
  std::map<std::string, uint64_t> ends() const {
    const std::lock_guard lock(mutex_);
    return ends_;
  }
  std::vector<int64_t> delays() const {
    const std::lock_guard lock(mutex_);
    return delays_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t> ends_;
  std::vector<int64_t> delays_;
};

}  // namespace huatuo
