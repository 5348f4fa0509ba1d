// The file operations of the spool's writer, so that a test can make a disk full, broken or stuck.
//
// This class is the real file system; a test overrides what shall go wrong. Every function may
// block for as long as the disk does. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace huatuo {

class Disk {
 public:
  virtual ~Disk() = default;

  // A descriptor that appends to `path`, which is made when it does not exist.
  virtual absl::StatusOr<int> OpenAppend(const std::string& path);

  // How many bytes were taken; fewer than asked for when the disk became full on the way.
  virtual absl::StatusOr<size_t> Write(int descriptor, std::string_view bytes);

  virtual absl::Status Truncate(int descriptor, uint64_t bytes);

  // Writes the start of a small file in place: needs no new block once the file exists, so it works
  // on a full disk.
  virtual absl::Status Overwrite(const std::string& path, std::string_view bytes);

  // With its parents; an existing folder is fine.
  virtual absl::Status MakeFolder(const std::string& path);

  // A file or a folder with all in it; fine when there is none.
  virtual absl::Status Remove(const std::string& path);

  static Disk& Real();
};

}  // namespace huatuo
