// Which families count what an event is an example of.
//
// Pure and thread-safe.
#pragma once

#include <vector>

#include "apiserver/store/exemplar.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// Appends the series that `event`, of a type that its values fit to, is an example of, until there
// are 32: a node that sends what it has kept for long has too many to look for the series of each.
// One of a task is of none: its thresholds and filters are its own.
void AddExemplars(const v1::EventType& type, const v1::Event& event,
                  std::vector<ExemplarOf>& exemplars);

}  // namespace huatuo
