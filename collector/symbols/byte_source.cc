#include "collector/symbols/byte_source.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace huatuo {

FileSource::~FileSource() {
  if (fd_ >= 0) close(fd_);
}

bool FileSource::Read(uint64_t offset, std::span<std::byte> to) const {
  if (!Has(offset, to.size())) return false;
  while (!to.empty()) {
    const ssize_t got = pread(fd_, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to = to.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  return true;
}

bool MemorySource::Read(uint64_t offset, std::span<std::byte> to) const {
  if (!Has(offset, to.size())) return false;
  std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(offset), to.size(), to.begin());
  return true;
}

}  // namespace huatuo
