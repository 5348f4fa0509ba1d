#include "apiserver/sink/file_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Bytes up to and with the last newline.
absl::StatusOr<uint64_t> WholeLines(int file, uint64_t size) {
  char buffer[4096];
  while (size > 0) {
    const uint64_t from = size - std::min<uint64_t>(size, sizeof(buffer));
    const ssize_t got = pread(file, buffer, size - from, static_cast<off_t>(from));
    if (got < 0) return ErrnoStatus(errno, "read");
    const size_t newline = std::string_view(buffer, static_cast<size_t>(got)).rfind('\n');
    if (newline != std::string_view::npos) return from + newline + 1;
    size = from;
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileSink>> FileSink::Open(const FileSinkOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) return ErrnoStatus(error.value(), "create " + options.directory);
  std::unique_ptr<FileSink> sink(new FileSink(options));
  RETURN_IF_ERROR(sink->Reopen());
  return sink;
}

FileSink::~FileSink() {
  if (file_ >= 0) close(file_);
}

std::string FileSink::PathOf(uint64_t number) const {
  return number == 0 ? options_.directory + "/events.ndjson"
                     : fmt::format("{}/events.{}.ndjson", options_.directory, number);
}

absl::Status FileSink::Reopen() {
  if (file_ >= 0) close(std::exchange(file_, -1));
  const std::string path = PathOf(0);
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (file < 0) return ErrnoStatus(errno, "open " + path);
  file_ = file;
  struct stat status {};
  if (fstat(file_, &status) != 0) return ErrnoStatus(errno, "stat " + path);
  const auto bytes = static_cast<uint64_t>(status.st_size);
  ASSIGN_OR_RETURN(size_, WholeLines(file_, bytes));
  if (size_ < bytes && ftruncate(file_, static_cast<off_t>(size_)) != 0) {
    return ErrnoStatus(errno, "truncate " + path);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> FileSink::Deliver(std::span<const StoredEvent> events) {
  if (file_ < 0) RETURN_IF_ERROR(Reopen());
  uint64_t too_large = 0;
  std::string lines;
  for (const StoredEvent& event : events) {
    const uint64_t bytes = event.row.document.size() + 1;
    if (bytes > options_.max_bytes) {
      ++too_large;
      continue;
    }
    if (size_ + lines.size() + bytes > options_.max_bytes) {
      RETURN_IF_ERROR(Write(std::exchange(lines, {})));
      RETURN_IF_ERROR(Rotate());
    }
    lines += event.row.document;
    lines += '\n';
  }
  RETURN_IF_ERROR(Write(lines));
  return too_large;
}

absl::Status FileSink::Write(const std::string& lines) {
  for (size_t done = 0; done < lines.size();) {
    const ssize_t count =
        pwrite(file_, lines.data() + done, lines.size() - done, static_cast<off_t>(size_ + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const absl::Status status = ErrnoStatus(errno, "write " + PathOf(0));
      // The next delivery begins with whole lines again.
      close(std::exchange(file_, -1));
      return status;
    }
    done += static_cast<size_t>(count);
  }
  size_ += lines.size();
  return absl::OkStatus();
}

// Oldest first, so that a crash in between leaves a hole in the numbers and loses no file.
absl::Status FileSink::Rotate() {
  if (size_ == 0) return absl::OkStatus();
  for (uint64_t number = options_.max_files; number-- > 0;) {
    const std::string from = PathOf(number);
    const bool last = number + 1 == options_.max_files;
    const int failed =
        last ? unlink(from.c_str()) : std::rename(from.c_str(), PathOf(number + 1).c_str());
    if (failed != 0 && errno != ENOENT) return ErrnoStatus(errno, "rotate " + from);
  }
  return Reopen();
}

}  // namespace huatuo
