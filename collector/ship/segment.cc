#include "collector/ship/segment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "collector/ship/frame.h"

namespace huatuo {
namespace {

class File {
 public:
  explicit File(const std::string& path) : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (descriptor_ >= 0) {
      close(descriptor_);
    }
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

Record CorruptGap(uint64_t first, uint64_t sequence, int64_t from_ns, int64_t to_ns) {
  return MakeGap(first, sequence, from_ns, std::max(from_ns, to_ns), "spool_corrupt");
}

Record HoleBefore(const Log& log, const Segment& next, uint64_t sequence) {
  if (sequence <= log.dropped) {
    return MakeGap(sequence, std::min(log.dropped, next.first - 1), log.dropped_from_ns,
                   log.dropped_to_ns, "spool_full");
  }
  return CorruptGap(sequence, next.first - 1, 0, next.from_ns);
}

}  // namespace

NextRead PlanRead(const Log& log, uint64_t sequence) {
  auto holds = [&](const Segment& segment) { return segment.last >= sequence; };
  auto segment = std::find_if(log.segments.begin(), log.segments.end(), holds);
  if (segment != log.segments.end()) {
    if (segment->first <= sequence) {
      return {.gap = std::nullopt, .segment = *segment};
    }
    return {.gap = HoleBefore(log, *segment, sequence), .segment = std::nullopt};
  }
  if (sequence > log.end) {
    return {};
  }
  Segment beyond{.path = {}, .first = log.end + 1};
  return {.gap = HoleBefore(log, beyond, sequence), .segment = std::nullopt};
}

std::vector<Record> ReadSegment(const Segment& segment, uint32_t seed, uint64_t sequence,
                                ReadLimit limit, ReadPosition* position) {
  File file(segment.path);
  bool resumes = position->path == segment.path && position->sequence == sequence;
  FrameReader reader(file.descriptor(), seed, resumes ? position->offset : 0);
  std::vector<Record> records;
  size_t bytes = 0;
  int64_t time_ns = segment.from_ns;
  while (records.size() < limit.entries && bytes < limit.bytes && sequence <= segment.last) {
    std::optional<Record> record = reader.Next();
    if (!record || record->sequence > segment.last) {
      records.push_back(CorruptGap(sequence, segment.last, time_ns, segment.to_ns));
      sequence = segment.last + 1;
      break;
    }
    time_ns = record->to_ns;
    if (record->sequence < sequence) {
      continue;
    }
    if (record->first > sequence) {
      records.push_back(CorruptGap(sequence, record->first - 1, time_ns, record->from_ns));
    }
    record->first = std::max(record->first, sequence);
    bytes += record->body.size();
    sequence = record->sequence + 1;
    records.push_back(*std::move(record));
  }
  *position = {.path = segment.path, .sequence = sequence, .offset = reader.offset()};
  return records;
}

}  // namespace huatuo
