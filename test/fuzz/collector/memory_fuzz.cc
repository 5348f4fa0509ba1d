// Seeds: vmstat buddyinfo memory.stat memory.events memory.current memory.max memory.oom_control
// memory.usage_in_bytes memory.limit_in_bytes memory.failcnt meminfo
#include "test/fuzz/collector/unit_fuzz.h"

namespace huatuo {
extern const Unit kMemory;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static huatuo::UnitFuzzes fuzzes(
      huatuo::kMemory, {"vmstat", "buddyinfo", "memory.stat", "memory.events", "memory.current",
                        "memory.max", "memory.oom_control", "memory.usage_in_bytes",
                        "memory.limit_in_bytes", "memory.failcnt", "proc/meminfo"});
  return fuzzes.Run(data, size);
}
