// Bytes at an offset, of a file or of memory: what a reader of an untrusted format asks, bounds
// checked here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace huatuo {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual uint64_t size() const = 0;
  // False when it is not there to be read; what was not asked for is then still unknown.
  virtual bool Ready() const { return true; }
  // Fills `to` with the bytes from `offset` on; false, and `to` is undefined, when there are fewer.
  virtual bool Read(uint64_t offset, std::span<std::byte> to) const = 0;

  template <typename T>
  bool ReadAs(uint64_t offset, T& value) const {
    return Read(offset, std::as_writable_bytes(std::span(&value, 1)));
  }
  // Whether `bytes` from `offset` on are there.
  bool Has(uint64_t offset, uint64_t bytes) const {
    return offset <= size() && bytes <= size() - offset;
  }
};

// An open file, which it closes. The file may change or shrink meanwhile.
class FileSource : public ByteSource {
 public:
  FileSource(int fd, uint64_t size) : fd_(fd), size_(size) {}
  ~FileSource() override;
  FileSource(FileSource&& other) noexcept : fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}
  FileSource& operator=(FileSource&&) = delete;

  uint64_t size() const override { return size_; }
  bool Read(uint64_t offset, std::span<std::byte> to) const override;

 private:
  int fd_;
  const uint64_t size_;
};

// Memory that outlives it.
class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : bytes_(bytes) {}
  explicit MemorySource(std::string_view bytes) : bytes_(std::as_bytes(std::span(bytes))) {}
  uint64_t size() const override { return bytes_.size(); }
  bool Read(uint64_t offset, std::span<std::byte> to) const override;

 private:
  const std::span<const std::byte> bytes_;
};

}  // namespace huatuo
