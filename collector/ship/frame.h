// How a record lies in a segment file.
//
// Frame := length:u32 body_crc:u32 first:u64 sequence:u64 from_ns:i64 to_ns:i64 header_crc:u32
//          body[length]                                    little endian; bit 31 of length: a gap
// Both checksums go on from that of the epoch, so a frame of another epoch does not verify. The
// header has its own, because only then can a frame that was cut short (the normal end after a
// kill) be told from one that was damaged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "collector/ship/record.h"

namespace huatuo {

constexpr size_t kFrameHeaderBytes = 44;

void AppendFrame(const Record& record, uint32_t seed, std::string* out);

// Reads frames one after another, passing over what is damaged. Not thread-safe.
class FrameReader {
 public:
  // Does not own `descriptor`.
  FrameReader(int descriptor, uint32_t seed, uint64_t offset);

  // The next sound record; nullopt at the end or at a frame that was cut short.
  std::optional<Record> Next();

  // Where the frame after the last returned record begins.
  uint64_t offset() const { return offset_; }

  // Damage lies between the last two returned records, or at the end.
  bool damaged() const { return damaged_; }

  // The last sequence of a damaged frame whose header is sound, 0 when none was.
  uint64_t damaged_sequence() const { return damaged_sequence_; }

 private:
  std::string_view Peek(size_t bytes);

  int descriptor_;
  uint32_t seed_;
  uint64_t offset_;
  bool damaged_ = false;
  uint64_t damaged_sequence_ = 0;
  std::string buffer_;
  uint64_t buffer_offset_ = 0;
};

}  // namespace huatuo
