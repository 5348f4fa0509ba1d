#include "collector/cost/governor.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace huatuo {
namespace {

constexpr int kOverInARow = 3;
constexpr double kRestoreBelow = 0.7;
constexpr int64_t kTryAfterHolds = 10;
constexpr double kWorthEnding = 0.05;  // of the budget
constexpr int64_t kMaxHoldNs = 3'600'000'000'000;

// Whether `a` is given up before `b`.
bool Before(const Governor::Candidate& a, const Governor::Candidate& b) {
  const auto rank = [](const Governor::Candidate& one) {
    return std::tuple(one.task_id.empty() ? one.order : 0, -one.ratio);
  };
  return rank(a) < rank(b);
}

}  // namespace

std::optional<Governor::Step> Governor::Update(double overhead_ratio,
                                               const std::vector<Candidate>& running,
                                               int64_t now_ns) {
  if (skip_ > 0) {
    --skip_;
    return std::nullopt;
  }
  if (overhead_ratio <= budget_) {
    over_ = 0;
    return MayRestore(overhead_ratio, now_ns);
  }
  if (++over_ < kOverInARow) return std::nullopt;
  const Candidate* next = nullptr;
  for (const Candidate& one : running) {
    const bool may_go = one.task_id.empty() ? one.order > 0 : one.ratio >= budget_ * kWorthEnding;
    if (!may_go) continue;
    if (next == nullptr || Before(one, *next)) next = &one;
  }
  if (next == nullptr) return std::nullopt;
  return Shed(*next, overhead_ratio, now_ns);
}

Governor::Step Governor::Shed(const Candidate& unit, double overhead_ratio, int64_t now_ns) {
  over_ = 0;
  skip_ = 1;
  Step step{true, unit.unit, unit.task_id, now_ns,
            fmt::format("governor: overhead {:.2f}% over the budget of {:.2f}%",
                        overhead_ratio * 100, budget_ * 100)};
  if (!unit.task_id.empty()) return step;
  Hold& hold = holds_[unit.unit];
  const bool anew = hold.ns == 0 || now_ns - hold.restored_ns >= kMaxHoldNs;
  hold.ns = anew ? min_hold_ns_ : std::min(hold.ns * 2, kMaxHoldNs);
  given_.push_back({unit.unit, now_ns, unit.ratio});
  return step;
}

std::optional<Governor::Step> Governor::MayRestore(double overhead_ratio, int64_t now_ns) {
  if (given_.empty()) return std::nullopt;
  const Given last = given_.back();
  Hold& hold = holds_[last.unit];
  const int64_t away_ns = now_ns - last.since_ns;
  const double room = budget_ * kRestoreBelow - overhead_ratio;
  const bool fits = last.ratio <= room || away_ns >= std::min(hold.ns * kTryAfterHolds, kMaxHoldNs);
  if (away_ns < hold.ns || room < 0 || !fits) return std::nullopt;
  skip_ = 1;
  hold.restored_ns = now_ns;
  given_.pop_back();
  return Step{false, last.unit, {}, last.since_ns, "governor: within the budget again"};
}

std::vector<std::string> Governor::shed() const {
  std::vector<std::string> units;
  for (const Given& given : given_) units.push_back(given.unit);
  return units;
}

}  // namespace huatuo
