// Seeds: stat loadavg online cpu.stat cpu.max cpuset.cpus.effective cpu.cfs_quota_us
// cpu.cfs_period_us cpuacct.usage cpuacct.stat cpuset.effective_cpus
#include "test/fuzz/collector/unit_fuzz.h"

namespace huatuo {
extern const Unit kCpu;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static huatuo::UnitFuzzes fuzzes(
      huatuo::kCpu, {"proc/stat", "proc/loadavg", "cpu/online", "cpu.stat", "cpu.max",
                     "cpuset.cpus.effective", "cpu.cfs_quota_us", "cpu.cfs_period_us",
                     "cpuacct.usage", "cpuacct.stat", "cpuset.effective_cpus"});
  return fuzzes.Run(data, size, huatuo::Replace::kInTurn);
}
