// Seeds: stat cgroup.procs cgroup.threads
#include "collector/units/tasks_iterator.h"
#include "common/status.h"
#include "test/fuzz/collector/unit_fuzz.h"

namespace huatuo {

extern const Unit kTasks;

// In place of the one with BPF: what it reads is the kernel's own.
absl::StatusOr<std::unique_ptr<TaskCounter>> OpenTaskIterator(const OpenRequest&,
                                                              const Resources&) {
  return Unavailable("not here");
}

}  // namespace huatuo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static huatuo::UnitFuzzes fuzzes(huatuo::kTasks, {"proc/stat", "cgroup.procs", "cgroup.threads"});
  return fuzzes.Run(data, size);
}
