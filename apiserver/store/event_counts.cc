#include "apiserver/store/event_counts.h"

#include <limits>

namespace huatuo {

int64_t StepOf(int64_t time_ns, int64_t step_ns) {
  constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
  const int64_t rest = time_ns % step_ns;
  if (rest >= 0) return time_ns - rest;
  return time_ns - rest < kFirst + step_ns ? kFirst : time_ns - rest - step_ns;
}

void EventCounts::Add(int64_t tracer_time_ns, std::string_view tracer) {
  const int64_t step = StepOf(tracer_time_ns, step_ns_);
  if (!newest_step_ || step != newest_) newest_step_ = &steps_[newest_ = step];
  const auto found = newest_step_->find(tracer);
  if (found != newest_step_->end()) {
    ++found->second;
  } else {
    newest_step_->emplace(tracer, 1);
  }
}

std::vector<EventCount> EventCounts::Take() const {
  std::vector<EventCount> counts;
  for (const auto& [step, by_tracer] : steps_) {
    for (const auto& [tracer, events] : by_tracer) counts.push_back({step, tracer, events});
  }
  return counts;
}

}  // namespace huatuo
