// Names of code that a process made itself, from the file it writes for that: /tmp/perf-<pid>.map.
//
// Lines of "begin bytes name", hexadecimal, in any order; a later line replaces an earlier one
// whose code it overlaps. The file is streamed: memory goes with the addresses asked for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "collector/symbols/byte_source.h"

namespace huatuo {

struct JitSymbol {
  std::string name;  // empty: unknown; at most 512 bytes
  uint64_t begin = 0;
};

struct JitSymbols {
  std::vector<JitSymbol> found;  // one for each address
  bool cut = false;              // the file has more than 64 MiB
};

// `addresses` ascending. Lines of another form are left out.
JitSymbols FindInPerfMap(const ByteSource& source, std::span<const uint64_t> addresses);

}  // namespace huatuo
