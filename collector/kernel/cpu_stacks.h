// What every CPU is doing at this moment: one sample of each, by a software clock event.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace huatuo {

struct CpuStack {
  uint32_t cpu = 0;
  bool answered = false;  // false: it took no interrupt in the time given, or it is offline
  uint32_t pid = 0;       // 0: idle
  uint32_t tid = 0;
  std::vector<uint64_t> frames{};  // of the kernel, innermost first; none in user space
};

// All possible CPUs that can be asked, in order; empty when the kernel refuses to sample. Waits for
// the answers until `deadline`. Thread-safe.
std::vector<CpuStack> SampleCpus(std::chrono::steady_clock::time_point deadline);

}  // namespace huatuo
