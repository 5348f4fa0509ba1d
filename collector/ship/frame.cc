#include "collector/ship/frame.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "collector/ship/crc32c.h"

namespace huatuo {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint32_t kGapBit = 1U << 31;
constexpr size_t kChecksummed = kFrameHeaderBytes - sizeof(uint32_t);
constexpr size_t kChunkBytes = 64 << 10;

template <typename T>
void Put(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T Take(std::string_view bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

bool HeaderIsSound(std::string_view header, uint32_t seed) {
  return Take<uint32_t>(header, kChecksummed) == Crc32c(header.substr(0, kChecksummed), seed) &&
         (Take<uint32_t>(header, 0) & ~kGapBit) <= kMaxBodyBytes;
}

}  // namespace

void AppendFrame(const Record& record, uint32_t seed, std::string* out) {
  size_t start = out->size();
  Put(static_cast<uint32_t>(record.body.size()) | (record.gap ? kGapBit : 0), out);
  Put(Crc32c(record.body, seed), out);
  Put(record.first, out);
  Put(record.sequence, out);
  Put(record.from_ns, out);
  Put(record.to_ns, out);
  Put(Crc32c(std::string_view(*out).substr(start), seed), out);
  out->append(record.body);
}

FrameReader::FrameReader(int descriptor, uint32_t seed, uint64_t offset)
    : descriptor_(descriptor), seed_(seed), offset_(offset) {}

std::string_view FrameReader::Peek(size_t bytes) {
  size_t skip = offset_ - buffer_offset_;
  if (offset_ < buffer_offset_ || skip > buffer_.size()) {
    buffer_.clear();
    buffer_offset_ = offset_;
    skip = 0;
  }
  if (buffer_.size() - skip < bytes) {
    buffer_.erase(0, skip);
    buffer_offset_ = offset_;
    size_t have = buffer_.size();
    buffer_.resize(std::max(bytes, kChunkBytes));
    ssize_t n = 0;
    while (have < buffer_.size() &&
           (n = pread(descriptor_, buffer_.data() + have, buffer_.size() - have,
                      static_cast<off_t>(buffer_offset_ + have))) > 0) {
      have += static_cast<size_t>(n);
    }
    buffer_.resize(have);
    skip = 0;
  }
  return std::string_view(buffer_).substr(skip, bytes);
}

std::optional<Record> FrameReader::Next() {
  damaged_ = false;
  damaged_sequence_ = 0;
  while (true) {
    std::string_view header = Peek(kFrameHeaderBytes);
    if (header.size() < kFrameHeaderBytes) {
      return std::nullopt;
    }
    if (!HeaderIsSound(header, seed_)) {
      damaged_ = true;
      ++offset_;
      continue;
    }
    uint32_t length = Take<uint32_t>(header, 0);
    Record record{.first = Take<uint64_t>(header, 8),
                  .sequence = Take<uint64_t>(header, 16),
                  .from_ns = Take<int64_t>(header, 24),
                  .to_ns = Take<int64_t>(header, 32),
                  .gap = (length & kGapBit) != 0,
                  .body = {}};
    uint32_t body_crc = Take<uint32_t>(header, 4);
    length &= ~kGapBit;
    std::string_view frame = Peek(kFrameHeaderBytes + length);
    if (frame.size() < kFrameHeaderBytes + length) {
      return std::nullopt;
    }
    offset_ += frame.size();
    if (Crc32c(frame.substr(kFrameHeaderBytes), seed_) == body_crc) {
      record.body = frame.substr(kFrameHeaderBytes);
      return record;
    }
    damaged_ = true;
    damaged_sequence_ = record.sequence;
  }
}

}  // namespace huatuo
