#include "collector/decode/completer.h"

#include "collector/decode/decoder.h"
#include "common/thread_name.h"

namespace huatuo {
namespace {

// An OOM storm is limited to 10 events a second and cgroup; more than this waiting means that the
// worker is stuck, and every one of them would be late anyway.
constexpr size_t kMaxQueued = 64;

}  // namespace

PendingCompletion::PendingCompletion(const EventType& type, std::shared_ptr<const void> record,
                                     std::chrono::steady_clock::time_point deadline,
                                     const Root& root, Context& context)
    : type_(type),
      record_(std::move(record)),
      deadline_(deadline),
      root_(root),
      context_(context) {}

void PendingCompletion::Set(std::string_view name, v1::Value value) {
  const std::lock_guard lock(mutex_);
  if (!closed_) values_.insert_or_assign(std::string(name), std::move(value));
}

bool PendingCompletion::Expired() const { return std::chrono::steady_clock::now() >= deadline_; }

void PendingCompletion::MoveInto(v1::Event& event) {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const std::string_view name : LateFields(type_)) {
    const auto it = values_.find(name);
    if (it == values_.end()) {
      event.add_incomplete(std::string(name));
    } else {
      *event.mutable_values(LateIndex(type_, name)) = std::move(it->second);
    }
  }
}

Completer::Completer(const Root& root, Context& context, std::function<void()> wake)
    : root_(root), context_(context), wake_(std::move(wake)) {
  worker_ = std::thread([this] { Run(); });
}

Completer::~Completer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  worker_.join();
}

std::shared_ptr<PendingCompletion> Completer::Start(const EventType& type,
                                                    std::shared_ptr<const void> record) {
  auto pending = std::make_shared<PendingCompletion>(
      type, std::move(record), std::chrono::steady_clock::now() + type.deadline, root_, context_);
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= kMaxQueued) {
      pending->done_ = true;
      return pending;
    }
    queue_.push_back(pending);
  }
  changed_.notify_one();
  return pending;
}

void Completer::Run() {
  NameThread("complete");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    const std::shared_ptr<PendingCompletion> pending = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    if (!pending->Expired()) pending->type_.complete(pending->record_.get(), *pending);
    pending->done_.store(true, std::memory_order_release);
    wake_();
    lock.lock();
  }
}

}  // namespace huatuo
