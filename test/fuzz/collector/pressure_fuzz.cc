// Seeds: cpu memory io cpu.pressure memory.pressure io.pressure
#include "test/fuzz/collector/unit_fuzz.h"

namespace huatuo {
extern const Unit kPressure;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static huatuo::UnitFuzzes fuzzes(
      huatuo::kPressure, {"pressure/cpu", "pressure/memory", "pressure/io", "cpu.pressure",
                          "memory.pressure", "io.pressure"});
  return fuzzes.Run(data, size);
}
