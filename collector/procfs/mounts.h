// The file systems of the host on which something can be stored.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector/procfs/file_reader.h"

namespace huatuo {

struct Mount {
  std::string device;  // major:minor
  std::string point;
  bool readonly = false;
};

// Not thread-safe.
class Mounts {
 public:
  // Of each file system on a device, or of a server, the mount with the shortest path; without
  // those that are never writable. Of the mounts of process 1, which are the host's. nullopt when
  // they cannot be read, which `files` counts. Valid until the next call.
  std::optional<std::span<const Mount>> Read(FileReader& files);

  // Of the text of a mountinfo; nullopt when it is not one. Valid until the next call.
  std::optional<std::span<const Mount>> Parse(std::string_view text);

 private:
  bool ParseLine(std::string_view line);
  void Offer(std::string_view device, std::string_view point, bool readonly);

  KeptFile init_{"/proc/1/mountinfo"};
  std::vector<Mount> mounts_;
  size_t count_ = 0;  // of mounts_; what is behind is room
  std::string point_;
};

}  // namespace huatuo
