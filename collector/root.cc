#include "collector/root.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "common/status.h"

namespace huatuo {

Root::Root(std::string prefix) : prefix_(std::move(prefix)) {
  while (prefix_.ends_with('/')) prefix_.pop_back();
}

std::string Root::Path(std::string_view path) const { return prefix_ + std::string(path); }

absl::StatusOr<std::string> Root::Read(std::string_view path, size_t limit_bytes) const {
  const std::string name = Path(path);
  const int fd = open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open " + name);
  std::string text;
  char buffer[16384];
  ssize_t got = 0;
  while (text.size() < limit_bytes && (got = read(fd, buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(got));
  }
  const int error = errno;
  close(fd);
  if (got < 0) return ErrnoStatus(error, "read " + name);
  if (text.size() > limit_bytes) text.resize(limit_bytes);
  return text;
}

}  // namespace huatuo
