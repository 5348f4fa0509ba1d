// Names of functions that containers chose.
// Seeds: test/collector/symbols/demangle_test.cc
#include "collector/symbols/demangle.h"
#include "test/fuzz/must.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string name = huatuo::Demangle({reinterpret_cast<const char*>(data), size});
  huatuo::Must(name.size() <= 512);
  huatuo::MustBeText(name);
  return 0;
}
