#include "collector/units/softlockup_kmsg.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "common/status.h"

namespace huatuo {

absl::StatusOr<std::unique_ptr<KernelLog>> KernelLog::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open " + path);
  std::unique_ptr<KernelLog> log(new KernelLog(fd));
  if (lseek(fd, 0, SEEK_END) < 0) return ErrnoStatus(errno, "go to the end of " + path);
  return log;
}

KernelLog::~KernelLog() { close(fd_); }

void KernelLog::Read(const std::function<void(const WatchdogReport&)>& take) {
  std::array<char, 8192> record;  // the longest that the kernel makes
  for (;;) {
    const ssize_t bytes = read(fd_, record.data(), record.size());
    if (bytes < 0 && errno == EPIPE) {
      ++overwritten_;
      continue;
    }
    if (bytes <= 0) return;
    const auto report = ParseWatchdog({record.data(), static_cast<size_t>(bytes)});
    if (report.has_value()) take(*report);
  }
}

}  // namespace huatuo
