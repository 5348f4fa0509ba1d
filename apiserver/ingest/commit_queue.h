// The one thread that writes what all streams submit, and the queue before it.
//
// Each turn takes what is there and stores it in one transaction, so that the number of commits
// depends on the store's speed and not on the number of nodes. A group that cannot be stored now
// stays first in the queue and is tried again with growing pauses; nothing behind it overtakes.
//
// Thread-safe.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/clock.h"
#include "common/status.h"

namespace huatuo {

// How full the queue is.
enum class Pressure {
  kFree,
  kHigh,  // half full, or the store refuses: nodes should slow down
  kFull,  // whoever submitted must not submit again before OnRoom has called
};

struct WriterOptions {
  size_t max_queue_bytes = 64 << 20;
  size_t max_group_bytes = 8 << 20;
  std::chrono::milliseconds first_pause{50};
  std::chrono::milliseconds longest_pause{2000};
  // A group of less than this begins no earlier than so long after the one before: single events of
  // many nodes would otherwise be a commit each, which costs far more than what is in it.
  size_t small_group_bytes = 64 << 10;
  std::chrono::milliseconds spacing{10};
};

// `Stored` is what whoever submits wants to be called with once his commit is in the store.
template <typename Commit, typename Stored>
class CommitQueue {
 public:
  struct Item {
    Commit commit;
    Stored stored;
    size_t bytes = 0;
    int64_t queued_ns = 0;
  };
  using Group = std::vector<Item>;

  // Called on the thread.
  struct Hooks {
    std::function<absl::Status(Group&)> store;  // all of it, or what is left when tried again
    std::function<void(Group&)> done;           // it is stored
    std::function<void(size_t commits, size_t bytes)> resized;  // also on threads that submit
  };

  // `what` is queued, for people: "events".
  CommitQueue(const Clock& clock, const WriterOptions& options, std::string_view what, Hooks hooks)
      : clock_(clock),
        options_(options),
        what_(what),
        hooks_(std::move(hooks)),
        pause_(options.first_pause),
        thread_([this] { Run(); }) {}

  // Stores what is queued if the store takes it at once, then ends the thread.
  ~CommitQueue() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // Never blocks and always takes the commit, of about so many bytes.
  Pressure Submit(Commit commit, Stored stored, size_t bytes) {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(commit), std::move(stored), bytes, clock_.BootNs()});
    queue_bytes_ += bytes;
    hooks_.resized(queue_.size(), queue_bytes_);
    wake_.notify_all();
    if (queue_bytes_ >= options_.max_queue_bytes) return Pressure::kFull;
    if (queue_bytes_ >= options_.max_queue_bytes / 2 || !failure_.empty()) return Pressure::kHigh;
    return Pressure::kFree;
  }

  // Calls `room` once, on the thread or this one, as soon as the queue is at most a quarter full
  // and the store takes commits.
  void OnRoom(std::function<void()> room) {
    {
      const std::lock_guard lock(mutex_);
      if (!HasRoom()) {
        waiters_.push_back(std::move(room));
        return;
      }
    }
    room();
  }

  // Why nothing has been stored for more than 10 s although something waits. `boot_now_ns` is
  // Clock::BootNs.
  std::optional<std::string> Stalled(int64_t boot_now_ns) const {
    constexpr int64_t kStalledNs = 10'000'000'000;
    const std::lock_guard lock(mutex_);
    std::optional<int64_t> oldest_ns = oldest_queued_ns_;
    if (!oldest_ns && !queue_.empty()) oldest_ns = queue_.front().queued_ns;
    if (!oldest_ns || boot_now_ns - *oldest_ns <= kStalledNs) return std::nullopt;
    return fmt::format("{} have waited {} s for the store: {}", what_,
                       (boot_now_ns - *oldest_ns) / 1'000'000'000,
                       failure_.empty() ? "a commit has not returned" : failure_);
  }

  // The newest reason of a store that refuses; empty while it takes commits.
  std::string failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

 private:
  bool HasRoom() const { return failure_.empty() && queue_bytes_ <= options_.max_queue_bytes / 4; }

  void Run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
      if (queue_.empty()) return;
      wake_.wait_until(lock, began_ + options_.spacing,
                       [this] { return stop_ || queue_bytes_ >= options_.small_group_bytes; });
      began_ = std::chrono::steady_clock::now();
      Group group = TakeGroup();
      lock.unlock();
      const absl::Status status = hooks_.store(group);
      lock.lock();
      oldest_queued_ns_.reset();
      if (!status.ok()) {
        failure_ = Message(status);
        Failed(std::move(group), lock);
        if (stop_) return;
        continue;
      }
      failure_.clear();
      pause_ = options_.first_pause;
      for (const Item& item : group) queue_bytes_ -= item.bytes;
      hooks_.resized(queue_.size(), queue_bytes_);
      auto waiters = HasRoom() ? std::exchange(waiters_, {}) : std::vector<std::function<void()>>();
      lock.unlock();
      hooks_.done(group);
      for (const auto& room : waiters) room();
      lock.lock();
    }
  }

  Group TakeGroup() {
    Group group;
    size_t bytes = 0;
    oldest_queued_ns_ = queue_.front().queued_ns;
    while (!queue_.empty() && (group.empty() || bytes < options_.max_group_bytes)) {
      bytes += queue_.front().bytes;
      group.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    return group;
  }

  void Failed(Group group, std::unique_lock<std::mutex>& lock) {
    queue_.insert(queue_.begin(), std::make_move_iterator(group.begin()),
                  std::make_move_iterator(group.end()));
    wake_.wait_for(lock, pause_, [this] { return stop_; });
    pause_ = std::min(pause_ * 2, options_.longest_pause);
  }

  const Clock& clock_;
  const WriterOptions options_;
  const std::string_view what_;
  const Hooks hooks_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> queue_;
  size_t queue_bytes_ = 0;                   // with what is being stored
  std::optional<int64_t> oldest_queued_ns_;  // of what is being stored
  std::string failure_;
  std::chrono::milliseconds pause_;
  std::chrono::steady_clock::time_point began_{};  // the newest turn
  std::vector<std::function<void()>> waiters_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace huatuo
