// The kernel's log, read for what its soft lockup watchdog says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "collector/units/softlockup_event.h"

namespace huatuo {

// Not thread-safe.
class KernelLog {
 public:
  // From the next line on.
  static absl::StatusOr<std::unique_ptr<KernelLog>> Open(const std::string& path);
  ~KernelLog();
  KernelLog(const KernelLog&) = delete;
  KernelLog& operator=(const KernelLog&) = delete;

  int fd() const { return fd_; }
  // Hands over the reports among all lines that are there.
  void Read(const std::function<void(const WatchdogReport&)>& take);
  // How often the kernel had overwritten lines before they were read.
  uint64_t overwritten() const { return overwritten_; }

 private:
  explicit KernelLog(int fd) : fd_(fd) {}

  const int fd_;
  uint64_t overwritten_ = 0;
};

}  // namespace huatuo
