#include "collector/symbols/module_cache.h"

#include <elf.h>
#include <sys/auxv.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace huatuo {
namespace {

constexpr size_t kMaxFiles = 4096;
constexpr size_t kEntryBytes = 256;  // of the table, with a build id and segments

}  // namespace

Module* ModuleCache::Of(const ForeignFile& file) {
  if (const auto known = files_.find(file.id()); known != files_.end()) {
    known->second.used = ++clock_;
    return known->second.module.get();
  }
  if (!file.Ready()) return nullptr;
  Entry& entry = files_[file.id()];
  entry.used = ++clock_;
  ++counts_.files;
  counts_.bytes += kEntryBytes;
  auto elf = ReadElf(file);
  if (!elf.ok()) {
    ++counts_.unreadable;
    return nullptr;
  }
  entry.module = std::make_unique<Module>(std::move(*elf));
  counts_.bytes += entry.module->bytes();
  return entry.module.get();
}

Module* ModuleCache::Vdso() {
  if (vdso_source_ != nullptr) return vdso_.get();
  const unsigned long at = getauxval(AT_SYSINFO_EHDR);
  if (at == 0) return nullptr;
  // The kernel's own image; its last part is the table of sections.
  const auto* header =
      reinterpret_cast<const Elf64_Ehdr*>(at);  // NOLINT(performance-no-int-to-ptr)
  const size_t bytes = header->e_shoff + size_t{header->e_shnum} * header->e_shentsize;
  vdso_source_ =
      std::make_unique<MemorySource>(std::span(reinterpret_cast<const std::byte*>(header), bytes));
  if (auto elf = ReadElf(*vdso_source_); elf.ok())
    vdso_ = std::make_unique<Module>(std::move(*elf));
  return vdso_.get();
}

void ModuleCache::Look(Module& module, const ByteSource& source,
                       std::span<const uint64_t> addresses) {
  const size_t before = module.bytes();
  // One that is asked about everywhere begins anew: it must not push out all others.
  if (before > limit_bytes_ / 2) module.Clear();
  module.Look(source, addresses);
  counts_.bytes += module.bytes() - before;
}

void ModuleCache::Forget(const FileId& id) {
  const auto it = files_.find(id);
  counts_.bytes -= kEntryBytes;
  if (it->second.module != nullptr) counts_.bytes -= it->second.module->bytes();
  files_.erase(it);
  --counts_.files;
  ++counts_.forgotten;
}

void ModuleCache::Trim() {
  if (counts_.bytes <= limit_bytes_ && counts_.files <= kMaxFiles) return;
  std::vector<std::pair<uint64_t, FileId>> order;
  order.reserve(files_.size());
  for (const auto& [id, entry] : files_) order.emplace_back(entry.used, id);
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  // A quarter more than needed, so that not every question sorts again.
  for (const auto& [used, id] : order) {
    if (counts_.bytes <= limit_bytes_ / 4 * 3 && counts_.files <= kMaxFiles / 4 * 3) return;
    Forget(id);
  }
}

}  // namespace huatuo
