#include "test/fleet/driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/clock.h"

namespace huatuo {
namespace {

constexpr std::chrono::seconds kTurn{1};

}  // namespace

Driver::Driver(std::vector<NodePlan> plans, const Weather& weather, Steady::duration ramp,
               const Load& load, Tally& tally)
    : weather_(weather), load_(load), tally_(tally) {
  const auto now = Steady::now();
  const auto count = static_cast<int64_t>(plans.size());
  nodes_.resize(plans.size());
  next_.resize(plans.size());
  is_woken_.resize(plans.size());
  for (int64_t i = 0; i < count; ++i) {
    Start(static_cast<size_t>(i), std::move(plans[i]), now + ramp * i / count);
  }
  storm_at_ = now + std::chrono::seconds(weather.storm_seconds);
  churn_at_ = now + ramp;
  thread_ = std::thread([this] { Run(); });
}

Driver::~Driver() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_one();
  }
  thread_.join();
}

void Driver::Start(size_t index, NodePlan plan, Steady::time_point connect_at) {
  nodes_[index] =
      std::make_unique<FleetNode>(std::move(plan), load_, tally_, [this, index] { Wake(index); });
  nodes_[index]->Drop(connect_at);
  Later(index, connect_at);
}

void Driver::Wake(size_t index) {
  const std::lock_guard lock(mutex_);
  if (is_woken_[index]) return;
  is_woken_[index] = true;
  woken_.push_back(index);
  changed_.notify_one();
}

void Driver::Later(size_t index, Steady::time_point at) {
  next_[index] = at;
  timers_.emplace(at, index);
}

// Those that were woken, and those whose time has come.
std::vector<size_t> Driver::AwaitDue() {
  const auto first = timers_.empty() ? Steady::now() + kTurn : timers_.top().first;
  std::vector<size_t> due;
  {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, std::min(first, Steady::now() + kTurn),
                        [this] { return stop_ || !woken_.empty(); });
    due.swap(woken_);
    for (const size_t index : due) is_woken_[index] = false;
  }
  const auto now = Steady::now();
  while (!timers_.empty() && timers_.top().first <= now) {
    const auto [at, index] = timers_.top();
    timers_.pop();
    if (next_[index] == at) due.push_back(index);
  }
  return due;
}

void Driver::Round(Steady::time_point now) {
  if (now < round_at_) return;
  round_at_ = now + kTurn;
  round_ = std::make_shared<const std::vector<std::string>>(
      load_.Round(++rounds_, Clock::Real().WallNs()));
}

void Driver::Storm(Steady::time_point now) {
  if (weather_.storm_seconds == 0 || now < storm_at_ || quiet_) return;
  storm_at_ = now + std::chrono::seconds(weather_.storm_seconds);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i]->Drop(now);
    Later(i, now);
  }
}

void Driver::Churn(Steady::time_point now) {
  if (weather_.churn_per_minute == 0 || now < churn_at_ || quiet_) return;
  churn_at_ += std::chrono::nanoseconds(std::chrono::minutes(1)) / weather_.churn_per_minute;
  const size_t index = churned_++ % nodes_.size();
  NodePlan plan = nodes_[index]->plan();
  plan.name = fmt::format("{}-{}", plan.name.substr(0, plan.name.find('-')), ++generation_);
  abandoned_ += nodes_[index]->made() - nodes_[index]->acked();
  Start(index, std::move(plan), now);
}

void Driver::Settle() {
  if (!quiet_) return;
  for (const auto& node : nodes_) node->Quiet();
  all_acked_ = std::ranges::all_of(nodes_, [](const auto& node) {
    return node->plan().manner != Manner::kGood || node->AllAcked();
  });
}

bool Driver::Stopped() {
  const std::lock_guard lock(mutex_);
  return stop_;
}

void Driver::Run() {
  while (true) {
    const std::vector<size_t> due = AwaitDue();
    // Without the lock: a node that closes waits for threads that may be in Wake.
    if (Stopped()) return nodes_.clear();
    const auto now = Steady::now();
    Round(now);
    Storm(now);
    Churn(now);
    for (const size_t index : due) Later(index, nodes_[index]->Step(now, round_));
    Settle();
  }
}

}  // namespace huatuo
