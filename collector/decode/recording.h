// Recordings: what a collector saw, to be fed again through everything behind the kernel.
//
//   File  := "HUATUOR1" Frame*
//   Frame := kind:u8 reserved:u8[3] length:u32 payload[length]        little endian
//   kind 1: serialized v1.Catalog; always the first frame
//   kind 2: a record, as it lay in the ring
//   kind 3: serialized v1.Event of a record that user space had made, that has a kernel stack, or
//           that was completed
//   kind 4: serialized v1.Profile, with its unit by name
//
// A short last frame is the normal end of a recording that was interrupted, not an error. Units are
// found by name, so a recording outlives changes of the catalog's order.
#pragma once

#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// Thread-safe.
class RecordingWriter {
 public:
  static absl::StatusOr<std::unique_ptr<RecordingWriter>> Create(const std::string& path,
                                                                 const v1::Catalog& catalog);
  ~RecordingWriter();

  void Record(std::span<const std::byte> record);
  void Event(const v1::Event& event);
  void Profile(const v1::Profile& profile);
  // The first error of a write; nothing is written after it.
  absl::Status status() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  RecordingWriter(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {}
  void Frame(uint8_t kind, std::span<const std::byte> payload);

  std::FILE* const file_;
  const std::string path_;
  mutable std::mutex mutex_;
  absl::Status status_;
};

struct RecordingReader {
  std::function<void(std::span<const std::byte>)> record;
  std::function<void(v1::Event)> event;
  std::function<void(v1::Profile)> profile{};  // empty: they are passed over
};

// Feeds the recording at `path` to `reader`, with the numbers of units and event types translated
// to those of `catalog`. What belongs to a unit that `catalog` does not have is skipped and counted
// in the result. InvalidArgument, with the offset, when the file is no recording or has a foreign
// or impossible frame.
absl::StatusOr<uint64_t> Replay(const std::string& path, const v1::Catalog& catalog,
                                const RecordingReader& reader);

}  // namespace huatuo
