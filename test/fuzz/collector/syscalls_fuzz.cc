// The language in which people name system calls.
// Seeds: test/collector/units/syscalls_test.cc
#include "collector/syscalls.h"
#include "test/fuzz/must.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto chosen = huatuo::ParseSyscalls({reinterpret_cast<const char*>(data), size});
  if (!chosen.ok()) {
    huatuo::Must(chosen.status().code() == absl::StatusCode::kInvalidArgument);
    return 0;
  }
  huatuo::Must(chosen->size() <= huatuo::kMaxSyscalls);
  // As the BPF program's table is long.
  for (const huatuo::Syscall& each : *chosen) huatuo::Must(each.number < 512);
  return 0;
}
