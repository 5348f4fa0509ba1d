// Runs `complete` steps on a worker, each with a deadline.
//
// The worker reads procfs, which can block for as long as the kernel likes. So nobody waits for it:
// at the deadline its answer is closed and the event goes without the fields that are missing. The
// queue is bounded; a step that finds no room is closed at once.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "collector/instance.h"

namespace huatuo {

// Written by the worker, taken by the event thread.
class PendingCompletion : public Completion {
 public:
  PendingCompletion(const EventType& type, std::shared_ptr<const void> record,
                    std::chrono::steady_clock::time_point deadline, const Root& root,
                    Context& context);

  void Set(std::string_view name, v1::Value value) override;
  bool Expired() const override;
  std::chrono::steady_clock::time_point deadline() const override { return deadline_; }
  const Root& root() const override { return root_; }
  Context& context() override { return context_; }

  bool done() const { return done_.load(std::memory_order_acquire); }
  // Closes the answer, puts what is there into `event` and names the rest in `incomplete`.
  void MoveInto(v1::Event& event);

 private:
  friend class Completer;
  const EventType& type_;
  const std::shared_ptr<const void> record_;
  const std::chrono::steady_clock::time_point deadline_;
  const Root& root_;
  Context& context_;
  std::atomic<bool> done_ = false;
  std::mutex mutex_;
  bool closed_ = false;
  std::map<std::string, v1::Value, std::less<>> values_;
};

class Completer {
 public:
  // `wake` is called on the worker when a step is done.
  Completer(const Root& root, Context& context, std::function<void()> wake);
  ~Completer();  // waits for the step that runs

  std::shared_ptr<PendingCompletion> Start(const EventType& type,
                                           std::shared_ptr<const void> record);

 private:
  void Run();

  const Root& root_;
  Context& context_;
  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<PendingCompletion>> queue_;
  bool stop_ = false;
  std::thread worker_;
};

}  // namespace huatuo
