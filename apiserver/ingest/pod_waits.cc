#include "apiserver/ingest/pod_waits.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "apiserver/ingest/subjects.h"

namespace huatuo {
namespace {

constexpr std::chrono::milliseconds kLook{100};
constexpr int64_t kGivenUpNs = 600'000'000'000;
constexpr size_t kMaxGivenUp = 16'384;

const std::string& KeyOf(const v1::Container& container) {
  return container.id().empty() ? container.pod_uid() : container.id();
}

uint64_t StillUnresolved(const v1::EntryBatch& batch, const PodIndex& pods) {
  const auto unresolved = [&](const v1::Entry& entry) {
    const auto& subjects = entry.event().subjects();
    return std::any_of(subjects.begin(), subjects.end(), [&](const v1::Subject& subject) {
      return Unresolved(subject.container(), pods);
    });
  };
  return static_cast<uint64_t>(
      std::count_if(batch.entries().begin(), batch.entries().end(), unresolved));
}

}  // namespace

struct PodWaits::Metrics {
  explicit Metrics(prometheus::Registry& registry)
      : waited(prometheus::BuildCounter()
                   .Name("huatuo_apiserver_kube_unresolved_events_total")
                   .Help("Events that came before their pod was known, by what became of it.")
                   .Register(registry)),
        bytes(prometheus::BuildGauge()
                  .Name("huatuo_apiserver_kube_waiting_bytes")
                  .Help("Entries that wait until their pods are known.")
                  .Register(registry)
                  .Add({})) {}

  void Add(Outcome outcome, uint64_t events) {
    by_outcome[static_cast<size_t>(outcome)]->Increment(static_cast<double>(events));
  }

  prometheus::Family<prometheus::Counter>& waited;
  prometheus::Counter* const by_outcome[4] = {
      &waited.Add({{"outcome", "completed"}}), &waited.Add({{"outcome", "timed_out"}}),
      &waited.Add({{"outcome", "overflow"}}), &waited.Add({{"outcome", "given_up"}})};
  prometheus::Gauge& bytes;
};

PodWaits::PodWaits(const PodIndex& pods, const Clock& clock, prometheus::Registry& registry,
                   PodWaitOptions options)
    : pods_(pods),
      clock_(clock),
      options_(options),
      metrics_(std::make_unique<Metrics>(registry)),
      thread_([this] { Run(); }) {}

PodWaits::~PodWaits() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void PodWaits::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !active_.empty(); });
    if (wake_.wait_for(lock, kLook, [this] { return stop_; })) return;
    lock.unlock();
    Advance();
    lock.lock();
  }
}

void PodWaits::Advance() {
  std::vector<std::weak_ptr<Line>> lines;
  {
    const std::lock_guard lock(mutex_);
    lines.swap(active_);
  }
  std::erase_if(lines, [](const std::weak_ptr<Line>& weak) {
    const auto line = weak.lock();
    return !line || !line->Advance();
  });
  const std::lock_guard lock(mutex_);
  active_.insert(active_.end(), lines.begin(), lines.end());
}

void PodWaits::Activate(const std::shared_ptr<Line>& line) {
  {
    const std::lock_guard lock(mutex_);
    active_.push_back(line);
  }
  wake_.notify_all();
}

void PodWaits::Reserve(int64_t bytes) {
  metrics_->bytes.Set(static_cast<double>(bytes_.fetch_add(bytes) + bytes));
}

bool PodWaits::GivenUp(const v1::Container& container) {
  const std::lock_guard lock(given_up_mutex_);
  const auto found = given_up_.find(KeyOf(container));
  return found != given_up_.end() && found->second > clock_.BootNs();
}

PodWaits::Unknown PodWaits::Count(const v1::EntryBatch& batch) {
  Unknown count;
  for (const v1::Entry& entry : batch.entries()) {
    bool unresolved = false;
    bool worth_waiting = false;
    for (const v1::Subject& subject : entry.event().subjects()) {
      if (!Unresolved(subject.container(), pods_)) continue;
      unresolved = true;
      worth_waiting = worth_waiting || !GivenUp(subject.container());
    }
    if (unresolved) ++(worth_waiting ? count.worth_waiting : count.given_up);
  }
  return count;
}

void PodWaits::Account(const Line::Waiting& done, Outcome otherwise) {
  const uint64_t unresolved = StillUnresolved(done.batch, pods_);
  const uint64_t left = std::min(done.unresolved, unresolved);
  metrics_->Add(Outcome::kCompleted, done.unresolved - left);
  metrics_->Add(otherwise, left);
  metrics_->Add(Outcome::kGivenUp, unresolved - left);
  if (left > 0 && otherwise == Outcome::kTimedOut) GiveUp(done.batch);
}

void PodWaits::GiveUp(const v1::EntryBatch& batch) {
  const int64_t until_ns = clock_.BootNs() + kGivenUpNs;
  for (const v1::Entry& entry : batch.entries()) {
    for (const v1::Subject& subject : entry.event().subjects()) {
      if (!Unresolved(subject.container(), pods_)) continue;
      const std::string& key = KeyOf(subject.container());
      const std::lock_guard lock(given_up_mutex_);
      if (!given_up_.insert_or_assign(key, until_ns).second) continue;
      given_up_order_.push_back(key);
      if (given_up_order_.size() <= kMaxGivenUp) continue;
      given_up_.erase(given_up_order_.front());
      given_up_order_.pop_front();
    }
  }
}

PodWaits::Line::~Line() { waits_.Reserve(-static_cast<int64_t>(bytes_)); }

absl::StatusOr<Exchange::Next> PodWaits::Line::Push(const v1::EntryBatch& batch) {
  const Unknown unknown = waits_.Count(batch);
  std::unique_lock lock(mutex_);
  if (queue_.empty() && !passing_ && unknown.worth_waiting == 0) {
    passing_ = true;
    lock.unlock();
    waits_.metrics_->Add(Outcome::kGivenUp, unknown.given_up);
    auto next = pass_(batch, true);
    lock.lock();
    passing_ = false;
    return next;
  }
  const size_t bytes = batch.ByteSizeLong();
  queue_.push_back({.batch = batch,
                    .deadline_ns = waits_.clock_.BootNs() + waits_.options_.wait_ns,
                    .bytes = bytes,
                    .unresolved = unknown.worth_waiting});
  bytes_ += bytes;
  waits_.Reserve(static_cast<int64_t>(bytes));
  if (!std::exchange(active_, true)) waits_.Activate(shared_from_this());
  const bool crowded = Crowded();
  lock.unlock();
  return crowded ? Release(true) : Exchange::Next::kRead;
}

bool PodWaits::Line::Crowded() const {
  return bytes_ > waits_.options_.max_stream_bytes ||
         waits_.bytes_ > static_cast<int64_t>(waits_.options_.max_bytes);
}

std::optional<PodWaits::Outcome> PodWaits::Line::Verdict(const Waiting& front) const {
  if (waits_.Count(front.batch).worth_waiting == 0) return Outcome::kGivenUp;
  if (waits_.clock_.BootNs() >= front.deadline_ns) return Outcome::kTimedOut;
  if (Crowded()) return Outcome::kOverflow;
  return std::nullopt;
}

absl::StatusOr<Exchange::Next> PodWaits::Line::Release(bool from_stream) {
  Exchange::Next answer = Exchange::Next::kRead;
  std::unique_lock lock(mutex_);
  while (!passing_ && !queue_.empty()) {
    const std::optional<Outcome> verdict = Verdict(queue_.front());
    if (!verdict) break;
    const Waiting front = std::move(queue_.front());
    queue_.pop_front();
    passing_ = true;
    lock.unlock();
    waits_.Account(front, *verdict);
    auto next = pass_(front.batch, from_stream);
    waits_.Reserve(-static_cast<int64_t>(front.bytes));
    lock.lock();
    bytes_ -= front.bytes;
    passing_ = false;
    if (!next.ok()) {
      Forget();
      return next;
    }
    if (*next == Exchange::Next::kPause) answer = *next;
  }
  return answer;
}

void PodWaits::Line::Forget() {
  queue_.clear();
  waits_.Reserve(-static_cast<int64_t>(std::exchange(bytes_, 0)));
}

bool PodWaits::Line::Advance() {
  // The function has seen to the stream.
  Release(false).status().IgnoreError();
  const std::lock_guard lock(mutex_);
  active_ = !queue_.empty();
  return active_;
}

}  // namespace huatuo
