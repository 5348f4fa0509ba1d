#include "apiserver/access/read_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>

#include "common/status.h"

namespace huatuo {
namespace {

constexpr size_t kMostBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::string> ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return ErrnoStatus(errno, path);
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return ErrnoStatus(EIO, path);
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() <= kMostBytes) return text;
  return InvalidArgument(fmt::format("{}: larger than {} bytes", path, kMostBytes));
}

}  // namespace huatuo
