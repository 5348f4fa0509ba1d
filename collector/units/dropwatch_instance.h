// What runs while the unit `dropwatch` is open.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "collector/instance.h"

namespace huatuo {

enum DropMetric : size_t { kDropsByReason, kDropsUnreported, kDropCounters };

// The probe on kfree_skb, and with it everything that the unit has.
absl::StatusOr<std::unique_ptr<Instance>> OpenDropProbe(const OpenRequest& request,
                                                        const Resources& resources);

// Only what the kernel counts by itself; not for tasks.
absl::StatusOr<std::unique_ptr<Instance>> OpenDropCounters(const OpenRequest& request,
                                                           const Resources& resources);

}  // namespace huatuo
