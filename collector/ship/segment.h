// The segment files of one epoch, and which of its sequences they still hold.
//
// A folder `e-<generation>-<epoch>` holds segments `<first sequence>.seg` and a file `marks`.
// Not thread-safe, but for the functions that read files: those take copies.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "collector/ship/losses.h"
#include "collector/ship/record.h"

namespace huatuo {

struct Segment {
  std::string path;
  uint64_t first = 0;
  uint64_t last = 0;  // below `first` while nothing is written
  int64_t from_ns = 0;
  int64_t to_ns = 0;
  uint64_t bytes = 0;
  // Sequences that gap records in it declared lost; dropping the segment loses them only once.
  uint64_t gone = 0;
};

struct Log {
  std::string folder{};
  std::string epoch{};  // 16 bytes
  uint32_t seed = 0;    // of its frames
  std::deque<Segment> segments{};
  uint64_t end = 0;    // the last sequence it knows of
  uint64_t acked = 0;  // stored by the server
  // Given up because the spool was full.
  uint64_t dropped = 0;
  int64_t dropped_from_ns = 0;
  int64_t dropped_to_ns = 0;
  uint64_t corrupt_counted = 0;  // sequences up to here are in the loss counter

  bool done() const { return acked >= end; }
};

// What a reader that wants `sequence` gets next: a gap, or a part of one segment; neither when it
// has reached the end.
struct NextRead {
  std::optional<Record> gap;
  std::optional<Segment> segment;
};
NextRead PlanRead(const Log& log, uint64_t sequence);

// Where the last read of a segment stopped, so that the next one needs not begin at its start.
struct ReadPosition {
  std::string path;
  uint64_t sequence = 0;
  uint64_t offset = 0;
};

struct ReadLimit {
  size_t entries = 1000;
  size_t bytes = 256 << 10;
};

// Records of `segment` from `sequence` on, contiguous: damage is replaced by gap records
// "spool_corrupt". At least one record unless the limit is 0.
std::vector<Record> ReadSegment(const Segment& segment, uint32_t seed, uint64_t sequence,
                                ReadLimit limit, ReadPosition* position);

// What an earlier process left in `folder`. nullopt when its name is not that of an epoch's folder.
std::optional<Log> RecoverLog(const std::string& folder);

// The text of the file `marks`: what is acked and what was dropped, with a checksum.
std::string MarksText(const Log& log);

}  // namespace huatuo
