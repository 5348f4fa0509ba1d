// Counting events by step of time and by tracer, the same way for every backend.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/store/store.h"

namespace huatuo {

// The beginning of the step that holds the time: the largest multiple of `step_ns` (> 0) that is
// not after it, also before 1970, or the first time that there is.
int64_t StepOf(int64_t time_ns, int64_t step_ns);

class EventCounts {
 public:
  explicit EventCounts(int64_t step_ns) : step_ns_(step_ns) {}

  // Cheapest when the times come in order.
  void Add(int64_t tracer_time_ns, std::string_view tracer);

  // As Querier::Count returns them.
  std::vector<EventCount> Take() const;

 private:
  using ByTracer = std::map<std::string, uint64_t, std::less<>>;

  const int64_t step_ns_;
  std::map<int64_t, ByTracer> steps_;
  int64_t newest_ = 0;               // the step that was added to last
  ByTracer* newest_step_ = nullptr;  // its counts; null: none yet
};

}  // namespace huatuo
