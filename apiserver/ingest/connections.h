// The connections of nodes, and which of them bring a message without an end.
//
// gRPC shows a message when all of it is there, and takes as much as comes until then: 4 GB when
// its header says so. When all connections together have more than gRPC may keep, it ends streams
// at random. So what the kernel has received is compared with what the streams were given.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace huatuo {

// The messages of all streams that a connection ever had.
struct Connection {
  Connection(std::string the_peer, int64_t now_ns) : peer(std::move(the_peer)), since_ns(now_ns) {}

  const std::string peer;  // as gRPC names it
  const int64_t since_ns;  // its first stream
  std::atomic<uint64_t> taken_bytes = 0;
};

class Connections {
 public:
  // `slack_bytes`: so much more may have been received than taken: a message on its way, what waits
  // in buffers.
  explicit Connections(size_t slack_bytes) : slack_bytes_(slack_bytes) {}

  // The one of this peer; made when there is none.
  std::shared_ptr<Connection> Of(const std::string& peer, int64_t now_ns);

  // Whether it is time for Excessive: `host_bytes`, all that the host has received, has grown since
  // the last time by more than the streams were given, or many connections may be gone.
  bool Unexplained(uint64_t host_bytes);

  // The connections that have received more than their messages, the protocols around these and
  // the slack. `received` is by peer; connections that are not in it are forgotten.
  std::set<std::string> Excessive(const std::map<std::string, uint64_t>& received, int64_t now_ns);

 private:
  uint64_t Taken() const;  // of all, with mutex_

  const size_t slack_bytes_;
  std::mutex mutex_;  // of all below
  std::map<std::string, std::shared_ptr<Connection>> connections_;
  uint64_t forgotten_bytes_ = 0;
  size_t kept_ = 0;  // how many were there after the last look
  uint64_t last_host_bytes_ = 0;
  uint64_t last_taken_bytes_ = 0;
};

}  // namespace huatuo
