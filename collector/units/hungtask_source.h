// Where tasks in uninterruptible sleep are seen.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bpf/hungtask.h"
#include "collector/instance.h"

namespace huatuo {

// Not thread-safe, but for missed().
class HungtaskSource {
 public:
  using Visit = std::function<void(const hungtask_task&)>;
  virtual ~HungtaskSource() = default;

  // Every such task of the node, once each. Without `stacks` they have no frames.
  virtual absl::Status Sweep(bool stacks, const Visit& visit) = 0;
  // What the kernel's own detector has reported since the last call.
  virtual void TakeHangs(const Visit& visit) = 0;
  // Reports of the kernel that nobody took in time.
  virtual uint64_t missed() const = 0;

  virtual void AddPrograms(std::vector<ProgramRef>&) const {}
  virtual uint64_t MapBytes() const { return 0; }
};

// The BPF programs of the request's mechanism (bpf/hungtask.bpf.c).
absl::StatusOr<std::unique_ptr<HungtaskSource>> OpenHungtaskSource(const OpenRequest& request);

}  // namespace huatuo
