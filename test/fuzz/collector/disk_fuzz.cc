// Seeds: diskstats mountinfo
#include "test/fuzz/collector/unit_fuzz.h"

namespace huatuo {
extern const Unit kDisk;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static huatuo::UnitFuzzes fuzzes(huatuo::kDisk, {"proc/diskstats", "mountinfo"});
  return fuzzes.Run(data, size);
}
