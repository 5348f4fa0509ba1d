// Tells whoever waits for new rows that the store has committed some.
//
// The ingest writer calls Notify after each commit; it says nothing about which rows, a reader asks
// the store for what is beyond its own position. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace huatuo {

class CommitSignal {
 private:
  // Shared with the subscriptions, which may outlive the signal.
  struct State {
    mutable std::mutex mutex;
    uint64_t version = 0;
    uint64_t next_id = 1;
    std::map<uint64_t, std::function<void()>> calls;
  };

 public:
  // Ends when it is destroyed: the callback is then neither running nor called again.
  class Subscription {
   public:
    Subscription() = default;
    Subscription(Subscription&& other) noexcept { *this = std::move(other); }
    Subscription& operator=(Subscription&& other) noexcept {
      std::swap(state_, other.state_);
      std::swap(id_, other.id_);
      return *this;
    }
    ~Subscription() { Reset(); }

    void Reset() {
      if (!state_) return;
      const std::lock_guard lock(state_->mutex);
      state_->calls.erase(id_);
      id_ = 0;
    }

   private:
    friend class CommitSignal;
    Subscription(std::shared_ptr<State> state, uint64_t id) : state_(std::move(state)), id_(id) {}
    std::shared_ptr<State> state_;
    uint64_t id_ = 0;
  };

  // Calls every subscriber on this thread.
  void Notify() {
    const std::lock_guard lock(state_->mutex);
    ++state_->version;
    for (const auto& [id, call] : state_->calls) call();
  }

  // How often Notify was called.
  uint64_t version() const {
    const std::lock_guard lock(state_->mutex);
    return state_->version;
  }

  // `call` runs on the notifying thread with a lock held: it must only hand work to somebody else,
  // and must neither block nor use this object.
  Subscription Subscribe(std::function<void()> call) {
    const std::lock_guard lock(state_->mutex);
    const uint64_t id = state_->next_id++;
    state_->calls.emplace(id, std::move(call));
    return {state_, id};
  }

 private:
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace huatuo
