#include "collector/symbols/elf_symbols.h"

#include <elf.h>

#include <algorithm>
#include <limits>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr size_t kMaxTableBytes = 256 << 20;  // 11 million symbols, read in about 0.3 s
constexpr size_t kChunkBytes = 96 << 10;      // a multiple of 16 and of 24
constexpr size_t kMaxNameBytes = 1024;
// Each symbol costs a step for each address in it; functions that overlap hardly exist.
constexpr uint64_t kMaxSteps = 50'000'000;
constexpr uint64_t kNowhere = std::numeric_limits<uint64_t>::max();

// A name: where it is in which table.
struct NameRef {
  size_t table = 0;
  uint32_t offset = 0;
};

class Search {
 public:
  explicit Search(std::span<const uint64_t> addresses)
      : addresses_(addresses), best_(addresses.size()) {}

  template <typename Symbol>
  absl::Status Scan(const ByteSource& source, const ElfFile& file, size_t table);
  std::vector<SymbolRange> Finish(const ByteSource& source, const ElfFile& file);

 private:
  // Of one address.
  struct Best {
    uint64_t begin = 0;  // of the function with a size that contains it
    uint64_t end = 0;    // 0: none does
    NameRef name;
    // What is nearest, in the part of the table's order that this address is first for.
    uint64_t label = 0;  // begin of a function without size
    bool has_label = false;
    NameRef label_name;
    uint64_t end_before = 0;   // end of a function before it
    uint64_t next = kNowhere;  // begin of a function after it
  };

  void Offer(uint64_t begin, uint64_t bytes, NameRef name);
  void Spread();
  size_t FirstFrom(uint64_t address) const {
    return static_cast<size_t>(std::lower_bound(addresses_.begin(), addresses_.end(), address) -
                               addresses_.begin());
  }

  const std::span<const uint64_t> addresses_;
  std::vector<Best> best_;
  uint64_t steps_ = 0;
};

void Search::Offer(uint64_t begin, uint64_t bytes, NameRef name) {
  const uint64_t end = begin + std::min(bytes, kNowhere - begin);
  const size_t first = FirstFrom(begin);
  if (first > 0) best_[first - 1].next = std::min(best_[first - 1].next, begin);
  size_t at = first;
  for (; at < best_.size() && addresses_[at] < end; ++at, ++steps_) {
    Best& best = best_[at];
    // Of aliases the first one stays.
    if (best.end == 0 || begin > best.begin) {
      best.begin = begin;
      best.end = end;
      best.name = name;
    }
  }
  if (at == best_.size()) return;
  best_[at].end_before = std::max(best_[at].end_before, end);
  if (bytes == 0 && (!best_[at].has_label || begin > best_[at].label)) {
    best_[at].label = begin;
    best_[at].has_label = true;
    best_[at].label_name = name;
  }
}

template <typename Symbol>
absl::Status Search::Scan(const ByteSource& source, const ElfFile& file, size_t table) {
  const ElfFile::SymbolTable& symbols = file.tables[table];
  if (symbols.bytes > kMaxTableBytes)
    return ResourceExhausted("elf: the symbol table is too large");
  std::vector<Symbol> chunk(std::min<uint64_t>(kChunkBytes, symbols.bytes) / sizeof(Symbol));
  uint64_t left = symbols.bytes / sizeof(Symbol);
  for (uint64_t at = symbols.offset; left > 0;) {
    const size_t count = std::min<uint64_t>(left, chunk.size());
    if (!source.Read(at, std::as_writable_bytes(std::span(chunk.data(), count)))) {
      return InvalidArgument("elf: the symbol table is cut");
    }
    for (const Symbol& symbol : std::span(chunk.data(), count)) {
      const unsigned type = ELF64_ST_TYPE(symbol.st_info);
      if (type != STT_FUNC && type != STT_GNU_IFUNC) continue;
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_name == 0) continue;
      Offer(symbol.st_value, symbol.st_size, {table, symbol.st_name});
    }
    if (steps_ > kMaxSteps) return ResourceExhausted("elf: the functions overlap too much");
    at += count * sizeof(Symbol);
    left -= count;
  }
  return absl::OkStatus();
}

// What was noted at the nearest address only holds for all those beyond it.
void Search::Spread() {
  for (size_t i = 1; i < best_.size(); ++i) {
    const Best& before = best_[i - 1];
    Best& best = best_[i];
    best.end_before = std::max(best.end_before, before.end_before);
    if (before.has_label && (!best.has_label || before.label > best.label)) {
      best.label = before.label;
      best.has_label = true;
      best.label_name = before.label_name;
    }
  }
  for (size_t i = best_.size(); i-- > 1;) {
    best_[i - 1].next = std::min(best_[i - 1].next, best_[i].next);
  }
}

std::string ReadName(const ByteSource& source, const ElfFile::SymbolTable& table, uint32_t offset) {
  if (offset >= table.names_bytes) return "";
  std::string name(std::min<uint64_t>(kMaxNameBytes, table.names_bytes - offset), '\0');
  if (!source.Read(table.names_offset + offset, std::as_writable_bytes(std::span(name)))) return "";
  name.resize(std::min(name.size(), name.find('\0')));
  return name;
}

std::vector<SymbolRange> Search::Finish(const ByteSource& source, const ElfFile& file) {
  Spread();
  std::vector<SymbolRange> ranges;
  ranges.reserve(best_.size());
  for (size_t i = 0; i < best_.size(); ++i) {
    const Best& best = best_[i];
    const auto name = [&](NameRef ref) {
      return ReadName(source, file.tables[ref.table], ref.offset);
    };
    if (best.end != 0) {
      ranges.push_back({best.begin, best.end, name(best.name)});
    } else if (best.has_label && best.label >= best.end_before && addresses_[i] < best.next) {
      // A range cannot have the last address of all, where no function is anyway.
      ranges.push_back({best.label, best.next, name(best.label_name)});
    } else {
      ranges.push_back({best.end_before, best.next, ""});
    }
  }
  return ranges;
}

}  // namespace

absl::StatusOr<std::vector<SymbolRange>> FindSymbols(const ElfFile& file, const ByteSource& source,
                                                     std::span<const uint64_t> addresses) {
  Search search(addresses);
  for (size_t table = 0; table < file.tables.size(); ++table) {
    RETURN_IF_ERROR(file.wide ? search.Scan<Elf64_Sym>(source, file, table)
                              : search.Scan<Elf32_Sym>(source, file, table));
  }
  return search.Finish(source, file);
}

}  // namespace huatuo
