// Which TCP packets were dropped on this host: dropwatch's probe writes it, tcp_retransmit's reads
// it (bpf/packet_drops.bpf.h).
//
// Not thread-safe: the Roster opens and closes one unit at a time.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "collector/kernel/bpf_object.h"

namespace huatuo {

class PacketDrops {
 public:
  PacketDrops() = default;
  ~PacketDrops();
  PacketDrops(const PacketDrops&) = delete;
  PacketDrops& operator=(const PacketDrops&) = delete;

  // Puts the maps into an object that has not been loaded; they are made for the first one.
  absl::Status ShareWith(BpfObject& object);

  // Whether somebody writes; while nobody does, no packet is said to have arrived or not.
  absl::Status SetWatched(bool watched);

  uint64_t MapBytes() const;

 private:
  absl::Status Make();

  int drops_fd_ = -1;
  int watch_fd_ = -1;
};

}  // namespace huatuo
