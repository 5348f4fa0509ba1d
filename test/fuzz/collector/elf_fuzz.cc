// Files of containers in which functions are looked up.
// Seeds: /usr/bin/true
#include "collector/symbols/elf_symbols.h"
#include "test/fuzz/must.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using huatuo::Must;
  const huatuo::MemorySource source(std::as_bytes(std::span(data, size)));
  const auto file = huatuo::ReadElf(source);
  if (!file.ok()) return 0;
  for (const auto& table : file->tables) {
    Must(source.Has(table.offset, table.bytes) &&
         source.Has(table.names_offset, table.names_bytes));
  }
  (void)file->AddressOf(size / 2);
  const uint64_t addresses[] = {0, 0x1000, 0x1040, 0x2000, 0x401000, ~uint64_t{0}};
  const auto found = huatuo::FindSymbols(*file, source, addresses);
  if (!found.ok()) return 0;
  Must(found->size() == std::size(addresses));
  for (size_t i = 0; i < found->size(); ++i) {
    const huatuo::SymbolRange& range = (*found)[i];
    Must(range.name.size() <= 1024);
    Must(range.name.empty() || (range.begin <= addresses[i] && addresses[i] < range.end));
  }
  return 0;
}
