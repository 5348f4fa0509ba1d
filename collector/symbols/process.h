// What belongs to another process, seen through /proc: itself, its code's files, its perf map.
//
// Works in other mount and pid namespaces and for deleted files. Nothing is kept open: an open file
// would hold a container's file system.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "collector/root.h"
#include "collector/symbols/byte_source.h"
#include "collector/symbols/mappings.h"

namespace huatuo {

// A process by what does not come back with its pid. `comm` tells what it was before an exec.
struct ProcessId {
  uint32_t pid = 0;
  uint64_t start_ns = 0;  // CLOCK_BOOTTIME
  std::string comm;

  friend bool operator==(const ProcessId&, const ProcessId&) = default;
};

// Whether `id` is what runs under its pid now.
bool IsAlive(const Root& root, const ProcessId& id);

// A file by what changes when its contents do.
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t bytes = 0;
  int64_t changed_ns = 0;

  friend bool operator==(const FileId&, const FileId&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const FileId& id) {
    return H::combine(std::move(state), id.device, id.inode, id.bytes, id.changed_ns);
  }
};

// A file of another process, opened when it is first to be read: what is known already needs no
// more than its identity. Not ready when it has gone meanwhile, or is another.
class ForeignFile : public ByteSource {
 public:
  ForeignFile(std::string path, const FileId& id) : path_(std::move(path)), id_(id) {}
  ForeignFile(FileSource file, const FileId& id) : id_(id), file_(std::move(file)) {}

  const FileId& id() const { return id_; }
  uint64_t size() const override { return id_.bytes; }
  bool Ready() const override;
  bool Read(uint64_t offset, std::span<std::byte> to) const override;

 private:
  const std::string path_;
  const FileId id_;
  mutable std::optional<FileSource> file_;
};

// The file behind a mapping, whether it still has a name or not; nullopt when there is none.
std::optional<ForeignFile> FindMapped(const Root& root, uint32_t pid, const Mapping& mapping,
                                      const std::string& path);

// /tmp/perf-<pid>.map as the process wrote it: in its mount namespace, by its own pid.
std::optional<ForeignFile> OpenPerfMap(const Root& root, uint32_t pid);

}  // namespace huatuo
