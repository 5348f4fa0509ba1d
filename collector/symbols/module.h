// What is known of one file of code: where its functions are, as far as somebody asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "collector/symbols/byte_source.h"
#include "collector/symbols/elf_file.h"

namespace huatuo {

// Not thread-safe.
class Module {
 public:
  struct Symbol {
    uint64_t begin = 0;
    std::string_view name;  // demangled; empty: the file does not tell
  };

  explicit Module(ElfFile file) : file_(std::move(file)) {}

  const ElfFile& file() const { return file_; }

  // `address` is the file's own. nullopt: nobody has looked it up.
  std::optional<Symbol> Find(uint64_t address) const;

  // Looks up in `source`, which is the module's file, those that Find does not know; what cannot be
  // found out is known to have no name from then on. `addresses` ascending.
  void Look(const ByteSource& source, std::span<const uint64_t> addresses);

  // Forgets all functions.
  void Clear();

  size_t bytes() const { return sizeof(*this) + bytes_; }

 private:
  struct Range {
    uint64_t end = 0;
    uint64_t symbol = 0;  // where the function begins; the range may be a part of it
    std::string name;
  };
  void Keep(uint64_t address, uint64_t begin, uint64_t end, std::string name);

  const ElfFile file_;
  // By their begin. Invariant: they do not overlap.
  absl::btree_map<uint64_t, Range> ranges_;
  size_t bytes_ = 0;
};

}  // namespace huatuo
