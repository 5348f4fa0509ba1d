// Where the parts of an ELF file are that naming an address needs.
//
// A reader of our own, because the files belong to containers: it takes a few KiB of memory and of
// reading whatever the file says, where libelf allocates a record for each of the sections that a
// file claims to have. No byte is read twice, none is mapped (a file that shrinks would be SIGBUS).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/symbols/byte_source.h"

namespace huatuo {

struct ElfFile {
  // Part of the file that is mapped as code.
  struct Segment {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    uint64_t address = 0;
  };
  struct SymbolTable {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    uint64_t names_offset = 0;
    uint64_t names_bytes = 0;
  };

  bool wide = true;  // 64-bit
  std::vector<Segment> segments;
  std::vector<SymbolTable> tables;  // .symtab, then .dynsym; none when the file is stripped
  std::string build_id;             // hexadecimal; empty: it has none

  // The file's own address of what is at `offset` in it.
  std::optional<uint64_t> AddressOf(uint64_t offset) const;
};

// InvalidArgument when it is no ELF file of this machine's byte order or a header lies about where
// things are. Tables that lie outside of the file are left out.
absl::StatusOr<ElfFile> ReadElf(const ByteSource& source);

}  // namespace huatuo
