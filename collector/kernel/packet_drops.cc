#include "collector/kernel/packet_drops.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>

#include "bpf/packet_drops.h"
#include "common/clock.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {

PacketDrops::~PacketDrops() {
  if (drops_fd_ >= 0) close(drops_fd_);
  if (watch_fd_ >= 0) close(watch_fd_);
}

absl::Status PacketDrops::Make() {
  if (drops_fd_ < 0) {
    drops_fd_ = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "packet_drops", sizeof(packet_flow),
                               sizeof(packet_history), PACKET_FLOWS, nullptr);
  }
  if (drops_fd_ < 0) return ErrnoStatus(errno, "make the map packet_drops");
  if (watch_fd_ < 0) {
    watch_fd_ = bpf_map_create(BPF_MAP_TYPE_ARRAY, "packet_watch", sizeof(uint32_t),
                               sizeof(packet_watch), 1, nullptr);
  }
  return watch_fd_ >= 0 ? absl::OkStatus() : ErrnoStatus(errno, "make the map packet_watch");
}

absl::Status PacketDrops::ShareWith(BpfObject& object) {
  RETURN_IF_ERROR(Make());
  RETURN_IF_ERROR(object.ShareMap("packet_drops", drops_fd_));
  return object.ShareMap("packet_watch", watch_fd_);
}

absl::Status PacketDrops::SetWatched(bool watched) {
  const uint32_t only = 0;
  packet_watch value{};
  value.since_ns = watched ? static_cast<uint64_t>(Clock::Real().BootNs()) : 0;
  if (bpf_map_update_elem(watch_fd_, &only, &value, BPF_ANY) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "write the map packet_watch");
}

uint64_t PacketDrops::MapBytes() const { return MapMemory(drops_fd_) + MapMemory(watch_fd_); }

}  // namespace huatuo
