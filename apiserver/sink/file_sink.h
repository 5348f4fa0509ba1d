// Rotating files of NDJSON: one event document a line.
//
// The newest is events.ndjson; when it would grow beyond max_bytes it becomes events.1.ndjson, that
// one events.2.ndjson, and so on; the one beyond max_files goes. A line that was cut short by a
// crash or a full disk is taken back before the next is written. Not fsynced: the store is what
// survives a power cut.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "apiserver/sink/sink.h"

namespace huatuo {

struct FileSinkOptions {
  std::string directory;  // made when it does not exist
  uint64_t max_bytes = 64 << 20;
  uint64_t max_files = 10;
};

class FileSink : public Sink {
 public:
  // Errors of the system, naming the file.
  static absl::StatusOr<std::unique_ptr<FileSink>> Open(const FileSinkOptions& options);
  ~FileSink() override;

  std::string_view name() const override { return "file"; }
  // A document of more than max_bytes is too large.
  absl::StatusOr<uint64_t> Deliver(std::span<const StoredEvent> events) override;

 private:
  explicit FileSink(const FileSinkOptions& options) : options_(options) {}
  std::string PathOf(uint64_t number) const;
  absl::Status Reopen();
  absl::Status Write(const std::string& lines);
  absl::Status Rotate();

  const FileSinkOptions options_;
  int file_ = -1;
  uint64_t size_ = 0;  // whole lines of the newest file
};

}  // namespace huatuo
