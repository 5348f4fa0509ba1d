#include "collector/symbols/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace huatuo {
namespace {

// O_NONBLOCK: what lies there may be a FIFO by now.
constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// nullopt when it is not a regular file.
std::optional<FileId> IdOf(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  return FileId{status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size),
                status.st_ctim.tv_sec * 1'000'000'000 + status.st_ctim.tv_nsec};
}

// Takes `fd`; nullopt when it is not a regular file, or not the one with `inode` (0: any).
std::optional<ForeignFile> Regular(int fd, uint64_t inode) {
  if (fd < 0) return std::nullopt;
  struct stat status {};
  const auto id = fstat(fd, &status) == 0 ? IdOf(status) : std::nullopt;
  FileSource source(fd, static_cast<uint64_t>(status.st_size));
  if (!id.has_value() || (inode != 0 && inode != id->inode)) return std::nullopt;
  return ForeignFile(std::move(source), *id);
}

// Opens `path` as the process would: its symbolic links cannot lead out of its root.
int OpenInside(const Root& root, uint32_t pid, std::string_view path) {
  const std::string top = root.Path(fmt::format("/proc/{}/root", pid));
  const int folder = open(top.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return -1;
  open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const long fd = syscall(SYS_openat2, folder, std::string(path).c_str(), &how, sizeof(how));
  close(folder);
  return static_cast<int>(fd);
}

// The last of its numbers is the pid in the innermost namespace, which is the one it knows.
uint32_t InnerPid(const Root& root, uint32_t pid) {
  const auto text = root.Read(fmt::format("/proc/{}/status", pid), 8192);
  if (!text.ok()) return pid;
  const size_t line = text->find("\nNSpid:");
  if (line == std::string::npos) return pid;
  const size_t end = std::min(text->find('\n', line + 1), text->size());
  const size_t last = text->find_last_of("\t ", end - 1);
  uint32_t inner = pid;
  std::from_chars(text->data() + last + 1, text->data() + end, inner);
  return inner;
}

}  // namespace

bool IsAlive(const Root& root, const ProcessId& id) {
  static const auto kTickNs = static_cast<uint64_t>(1'000'000'000 / sysconf(_SC_CLK_TCK));
  // "4242 (a name) S 1 ...": field 22 is the start, in ticks.
  const auto text = root.Read(fmt::format("/proc/{}/stat", id.pid), 1024);
  if (!text.ok()) return false;
  const size_t open = text->find('(');
  const size_t close = text->rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return false;
  if (std::string_view(*text).substr(open + 1, close - open - 1) != id.comm) return false;
  size_t at = close + 1;
  for (int field = 3; field < 22 && at != std::string::npos; ++field) at = text->find(' ', at + 1);
  if (at == std::string::npos) return false;
  uint64_t ticks = 0;
  std::from_chars(text->data() + at + 1, text->data() + text->size(), ticks);
  return ticks == id.start_ns / kTickNs;
}

bool ForeignFile::Ready() const {
  if (file_.has_value()) return true;
  const int fd = open(path_.c_str(), kFlags);
  if (fd < 0) return false;
  struct stat status {};
  const bool same = fstat(fd, &status) == 0 && IdOf(status) == id_;
  FileSource file(fd, id_.bytes);
  if (same) file_.emplace(std::move(file));
  return same;
}

bool ForeignFile::Read(uint64_t offset, std::span<std::byte> to) const {
  return Ready() && file_->Read(offset, to);
}

std::optional<ForeignFile> FindMapped(const Root& root, uint32_t pid, const Mapping& mapping,
                                      const std::string& path) {
  if (mapping.inode == 0) return std::nullopt;
  // The very file, wherever it is and whether it is deleted or not; needs CAP_CHECKPOINT_RESTORE.
  const std::string link =
      root.Path(fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, mapping.begin, mapping.end));
  struct stat status {};
  if (stat(link.c_str(), &status) == 0) {
    if (const auto id = IdOf(status)) return ForeignFile(link, *id);
  }
  return Regular(OpenInside(root, pid, path), mapping.inode);
}

std::optional<ForeignFile> OpenPerfMap(const Root& root, uint32_t pid) {
  return Regular(OpenInside(root, pid, fmt::format("tmp/perf-{}.map", InnerPid(root, pid))), 0);
}

}  // namespace huatuo
