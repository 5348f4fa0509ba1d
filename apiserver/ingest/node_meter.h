// How much each node may send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "apiserver/access/rate_limits.h"

namespace huatuo {

// A node that comes back with a full spool sends it as fast as it can: it may send four seconds'
// worth at once.
struct NodeRates {
  uint64_t messages_per_second = 0;  // 0: any
  uint64_t bytes_per_second = 0;
};

// Of all streams of one node. Thread-safe.
class NodeMeter {
 public:
  NodeMeter(std::string node, const NodeRates& rates);

  // ResourceExhausted, naming the node and the limit.
  absl::Status Take(size_t bytes, int64_t now_ns);
  // Whether it remembers nothing.
  bool full(int64_t now_ns);

 private:
  const std::string node_;
  const NodeRates rates_;
  std::mutex mutex_;
  Bucket messages_;
  Bucket bytes_;
};

// A node that begins a new stream finds the meter of its last one. Thread-safe.
class NodeMeters {
 public:
  explicit NodeMeters(const NodeRates& rates) : rates_(rates) {}

  std::shared_ptr<NodeMeter> Of(const std::string& node, int64_t now_ns);

 private:
  const NodeRates rates_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<NodeMeter>> meters_;
  size_t sweep_at_ = 1024;
};

}  // namespace huatuo
