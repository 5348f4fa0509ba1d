// The one ring through which every BPF program sends its records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct ring_buffer;

namespace huatuo {

// Not thread-safe; map_fd() may be shared with any number of BPF objects.
class Ring {
 public:
  using Sink = std::function<void(std::span<const std::byte>)>;

  // `bytes` is a power of two and a multiple of the page size.
  static absl::StatusOr<std::unique_ptr<Ring>> Create(uint32_t bytes, Sink sink);
  ~Ring();

  int map_fd() const { return map_fd_; }
  int poll_fd() const;  // readable when there are records
  // Hands every waiting record to the sink; the bytes are valid during that call only.
  void Drain();

 private:
  Ring(int map_fd, Sink sink) : map_fd_(map_fd), sink_(std::move(sink)) {}

  const int map_fd_;
  const Sink sink_;
  ring_buffer* reader_ = nullptr;
};

}  // namespace huatuo
