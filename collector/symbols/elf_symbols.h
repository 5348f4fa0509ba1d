// The functions of an ELF file that contain given addresses.
//
// The symbol tables are streamed, never held: memory goes with the number of addresses asked for,
// not with the size of the file. 200,000 symbols take about 5 ms, so ask for many addresses at once
// and keep the answers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/symbols/byte_source.h"
#include "collector/symbols/elf_file.h"

namespace huatuo {

// [begin, end) are the addresses for which the answer is the same.
struct SymbolRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string name;  // as in the file, at most 1 KiB; empty: no function is there
};

// One for each of `addresses`, which are the file's own, ascending. Where functions overlap it is
// the one that begins last. ResourceExhausted when the tables are larger or more entangled than
// those of any program.
absl::StatusOr<std::vector<SymbolRange>> FindSymbols(const ElfFile& file, const ByteSource& source,
                                                     std::span<const uint64_t> addresses);

}  // namespace huatuo
