#include "collector/procfs/file_reader.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace huatuo {
namespace {

constexpr size_t kFirstBytes = 16 << 10;
constexpr size_t kMaxBytes = 8 << 20;

// A sixth of what the process may open: several readers share it with sockets and maps.
size_t MaxKept() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 64;
  return std::min<size_t>(limit.rlim_cur / 6, 4096);
}

}  // namespace

KeptFile::KeptFile(KeptFile&& other) noexcept
    : path_(std::move(other.path_)),
      presence_(other.presence_),
      keep_(other.keep_),
      fd_(std::exchange(other.fd_, -1)),
      reader_(std::exchange(other.reader_, nullptr)) {}

KeptFile& KeptFile::operator=(KeptFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(presence_, other.presence_);
  std::swap(keep_, other.keep_);
  std::swap(fd_, other.fd_);
  std::swap(reader_, other.reader_);
  return *this;
}

void KeptFile::Close() {
  if (fd_ < 0) return;
  close(std::exchange(fd_, -1));
  --std::exchange(reader_, nullptr)->kept_;
}

FileReader::FileReader(const Root& root, const OpenRequest& request, EventSink& sink)
    : root_(root), request_(request), sink_(sink), max_kept_(MaxKept()), buffer_(kFirstBytes) {}

int FileReader::Open(KeptFile& file) {
  if (file.fd_ >= 0) return file.fd_;
  name_.assign(root_.prefix()).append(file.path_);
  // A pipe in the place of a file must not block the round.
  const int fd = open(name_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0 && file.keep_ && kept_ < max_kept_) {
    file.fd_ = fd;
    file.reader_ = this;
    ++kept_;
  }
  return fd;
}

void FileReader::Refuse(const KeptFile& file, int error) {
  // ENODEV: a cgroup was removed under the open file. ESRCH: a process ended.
  if (error == ENODEV || error == ESRCH) return sink_.Lost(request_, "vanished_cgroup", 1);
  if (error == ENOENT && file.presence_ == Presence::kOptional) return;
  if (error == EOPNOTSUPP && file.presence_ == Presence::kOptional) return;
  if (error == EFBIG) return CountMalformed();
  sink_.Lost(request_, "unreadable_file", 1);
}

FileReader::Loaded FileReader::LoadOnce(KeptFile& file) {
  const int fd = Open(file);
  if (fd < 0) return {{}, errno};
  size_t size = 0;
  ssize_t got = 0;
  while (size < kMaxBytes) {
    if (size == buffer_.size()) buffer_.resize(2 * size);
    got = pread(fd, buffer_.data() + size, buffer_.size() - size, static_cast<off_t>(size));
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  const int error = errno;
  if (fd != file.fd_) close(fd);
  if (got < 0) {
    file.Close();
    return {{}, error};
  }
  if (size >= kMaxBytes) {
    buffer_ = std::vector<char>(kFirstBytes);  // not to be kept for one bad file
    return {{}, EFBIG};
  }
  return {{buffer_.data(), size}};
}

FileReader::Loaded FileReader::Load(KeptFile& file) {
  const bool kept = file.fd_ >= 0;
  const Loaded loaded = LoadOnce(file);
  if (!kept || loaded.error != ENODEV) return loaded;
  const Loaded again = LoadOnce(file);
  return again.error == ENOENT ? loaded : again;
}

std::optional<std::string_view> FileReader::Read(KeptFile& file) {
  const Loaded loaded = Load(file);
  if (loaded.error == 0) return loaded.text;
  Refuse(file, loaded.error);
  return std::nullopt;
}

}  // namespace huatuo
