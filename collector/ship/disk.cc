#include "collector/ship/disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "common/status.h"

namespace huatuo {

absl::StatusOr<int> Disk::OpenAppend(const std::string& path) {
  int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return ErrnoStatus(errno, path);
  }
  return descriptor;
}

absl::StatusOr<size_t> Disk::Write(int descriptor, std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = write(descriptor, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      // What was taken is reported first; the next call then says why it went no further.
      if (done > 0) {
        return done;
      }
      return ErrnoStatus(errno, "write");
    }
    done += static_cast<size_t>(n);
  }
  return done;
}

absl::Status Disk::Truncate(int descriptor, uint64_t bytes) {
  return ftruncate(descriptor, static_cast<off_t>(bytes)) == 0 ? absl::OkStatus()
                                                               : ErrnoStatus(errno, "truncate");
}

absl::Status Disk::Overwrite(const std::string& path, std::string_view bytes) {
  int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return ErrnoStatus(errno, path);
  }
  ssize_t n = pwrite(descriptor, bytes.data(), bytes.size(), 0);
  int error = n < 0 ? errno : ENOSPC;
  close(descriptor);
  return n == static_cast<ssize_t>(bytes.size()) ? absl::OkStatus() : ErrnoStatus(error, path);
}

absl::Status Disk::MakeFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  return error ? ErrnoStatus(error.value(), path) : absl::OkStatus();
}

absl::Status Disk::Remove(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return error ? ErrnoStatus(error.value(), path) : absl::OkStatus();
}

Disk& Disk::Real() {
  static Disk disk;
  return disk;
}

}  // namespace huatuo
