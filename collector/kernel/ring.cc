#include "collector/kernel/ring.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "collector/kernel/permission.h"
#include "common/status.h"

namespace huatuo {

absl::StatusOr<std::unique_ptr<Ring>> Ring::Create(uint32_t bytes, Sink sink) {
  const int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "huatuo_events", 0, 0, bytes, nullptr);
  if (fd < 0) {
    const int error = errno;
    const std::string lacks = WhyRefused(error);
    return ErrnoStatus(error, lacks.empty() ? "create the ring buffer"
                                            : fmt::format("create the ring buffer, {}", lacks));
  }
  std::unique_ptr<Ring> ring(new Ring(fd, std::move(sink)));
  const auto deliver = [](void* self, void* record, size_t size) {
    static_cast<Ring*>(self)->sink_({static_cast<const std::byte*>(record), size});
    return 0;
  };
  ring->reader_ = ring_buffer__new(fd, deliver, ring.get(), nullptr);
  if (ring->reader_ == nullptr) return ErrnoStatus(errno, "map the ring buffer");
  return ring;
}

Ring::~Ring() {
  if (reader_ != nullptr) ring_buffer__free(reader_);
  close(map_fd_);
}

int Ring::poll_fd() const { return ring_buffer__epoll_fd(reader_); }

void Ring::Drain() { ring_buffer__consume(reader_); }

}  // namespace huatuo
