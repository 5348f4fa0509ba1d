// What a process says about its code: /proc/PID/maps, and the map that it writes itself.
// Seeds: /proc/self/maps test/collector/symbols/process_test.cc
#include "collector/symbols/mappings.h"
#include "collector/symbols/perf_map.h"
#include "test/fuzz/must.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using huatuo::Must;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  huatuo::Mappings mappings;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    huatuo::AddMapping(text.substr(begin, end - begin), mappings);
    begin = end + 1;
  }
  for (const huatuo::Mapping& mapping : mappings.code) {
    Must(mapping.begin < mapping.end && mapping.path < mappings.paths.size());
  }
  const uint64_t addresses[] = {0, 0x1000, 0x7f0000000000, ~uint64_t{0}};
  for (const uint64_t address : addresses) (void)mappings.Find(address);
  const huatuo::MemorySource source(text);
  const huatuo::JitSymbols symbols = huatuo::FindInPerfMap(source, addresses);
  Must(symbols.found.size() == std::size(addresses));
  for (const huatuo::JitSymbol& symbol : symbols.found) Must(symbol.name.size() <= 512);
  return 0;
}
