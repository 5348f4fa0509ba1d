#include "collector/symbols/module.h"

#include <algorithm>

#include "collector/symbols/demangle.h"
#include "collector/symbols/elf_symbols.h"

namespace huatuo {

std::optional<Module::Symbol> Module::Find(uint64_t address) const {
  auto after = ranges_.upper_bound(address);
  if (after == ranges_.begin()) return std::nullopt;
  const auto& [begin, range] = *--after;
  if (address >= range.end) return std::nullopt;
  return Symbol{range.symbol, range.name};
}

// What overlaps with a neighbour is cut at it.
void Module::Keep(uint64_t address, uint64_t begin, uint64_t end, std::string name) {
  const uint64_t symbol = begin;
  const auto after = ranges_.upper_bound(address);
  if (after != ranges_.end()) end = std::min(end, after->first);
  if (after != ranges_.begin()) begin = std::max(begin, std::prev(after)->second.end);
  if (begin > address || end <= address) return;
  // The node of a tree that is two thirds full.
  bytes_ += (sizeof(uint64_t) + sizeof(Range)) * 3 / 2;
  if (name.size() > 15) bytes_ += name.size() + 16;  // else it lies in the string itself
  ranges_.emplace(begin, Range{end, symbol, std::move(name)});
}

void Module::Look(const ByteSource& source, std::span<const uint64_t> addresses) {
  std::vector<uint64_t> unknown;
  for (const uint64_t address : addresses) {
    if (!Find(address).has_value()) unknown.push_back(address);
  }
  if (unknown.empty() || !source.Ready()) return;
  const auto found = FindSymbols(file_, source, unknown);
  for (size_t i = 0; i < unknown.size(); ++i) {
    if (Find(unknown[i]).has_value()) continue;  // in the range of the one before
    if (!found.ok()) {
      Keep(unknown[i], unknown[i], unknown[i] + 1, "");
      continue;
    }
    const SymbolRange& range = (*found)[i];
    Keep(unknown[i], range.begin, range.end, Demangle(range.name));
  }
}

void Module::Clear() {
  ranges_.clear();
  bytes_ = 0;
}

}  // namespace huatuo
