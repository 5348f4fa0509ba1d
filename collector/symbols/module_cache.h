// The modules that somebody asked about, below one bound for all of them.
//
// Found by the file's identity, not by its build id: a container can give its own file that of
// another's. The least used are forgotten first. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "collector/symbols/module.h"
#include "collector/symbols/process.h"

namespace huatuo {

class ModuleCache {
 public:
  struct Counts {
    uint64_t bytes = 0;
    uint64_t files = 0;
    uint64_t forgotten = 0;   // files, for the bound
    uint64_t unreadable = 0;  // mapped files that are no sound ELF files
  };

  explicit ModuleCache(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // Null when it is not an ELF file, or neither known nor ready. Valid until Trim.
  Module* Of(const ForeignFile& file);

  // The vdso of this kernel's 64-bit processes, with `vdso_source` its image; null: there is none.
  Module* Vdso();
  const ByteSource& vdso_source() const { return *vdso_source_; }

  // As Module::Look.
  void Look(Module& module, const ByteSource& source, std::span<const uint64_t> addresses);

  // Forgets until the bound is kept.
  void Trim();

  const Counts& counts() const { return counts_; }

 private:
  struct Entry {
    std::unique_ptr<Module> module;  // null: not an ELF file
    uint64_t used = 0;
  };
  void Forget(const FileId& id);

  const size_t limit_bytes_;
  absl::flat_hash_map<FileId, Entry> files_;
  std::unique_ptr<MemorySource> vdso_source_;
  std::unique_ptr<Module> vdso_;
  uint64_t clock_ = 0;
  Counts counts_;
};

}  // namespace huatuo
