// Where /proc and /sys are read: the real ones, or copies below another folder.
//
// Every reader of procfs, sysfs and cgroups goes through a Root, so that tests and containers
// (`--root DIR`) need no other code path. Immutable and thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace huatuo {

class Root {
 public:
  // `prefix` is "" for this machine or a folder that holds proc/ and sys/.
  explicit Root(std::string prefix = "");

  // "/proc/stat" becomes "<prefix>/proc/stat". `path` must be absolute.
  std::string Path(std::string_view path) const;

  // The whole file, at most `limit_bytes` of it. NotFound when it does not exist.
  absl::StatusOr<std::string> Read(std::string_view path, size_t limit_bytes = 1 << 20) const;

  const std::string& prefix() const { return prefix_; }

 private:
  std::string prefix_;
};

}  // namespace huatuo
