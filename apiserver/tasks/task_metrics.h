// What the tasks stage says about itself, as huatuo_apiserver_… series. Thread-safe.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <string>

namespace huatuo {

struct TaskMetrics {
  explicit TaskMetrics(prometheus::Registry& registry);

  prometheus::Family<prometheus::Counter>& created;  // by tool
  prometheus::Family<prometheus::Counter>& ended;    // by tool, state
  prometheus::Family<prometheus::Counter>& refused;  // by limit
  prometheus::Gauge& open;
  prometheus::Counter& store_errors;
};

}  // namespace huatuo
