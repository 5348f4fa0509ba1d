// Counts tasks by a BPF iterator (bpf/tasks.bpf.c): all of them at one moment.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "collector/units/tasks_counter.h"

namespace huatuo {

// Keeps a reference to the sink of `resources`.
absl::StatusOr<std::unique_ptr<TaskCounter>> OpenTaskIterator(const OpenRequest& request,
                                                              const Resources& resources);

}  // namespace huatuo
