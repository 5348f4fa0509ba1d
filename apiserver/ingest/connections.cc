#include "apiserver/ingest/connections.h"

namespace huatuo {
namespace {

// A look is worth its time when so much came that is in no message yet, or so many connections are
// new.
constexpr uint64_t kUnexplainedBytes = 32 << 20;
constexpr size_t kNewConnections = 1000;

// Frames of HTTP/2 and records of TLS are below 1% of a full message; what is sent without one,
// such as pings, is below 1 KiB a second.
uint64_t Around(uint64_t taken_bytes, int64_t age_ns) {
  constexpr int64_t kNsPerSecond = 1'000'000'000;
  return taken_bytes / 50 + static_cast<uint64_t>(age_ns / kNsPerSecond) * 1024;
}

}  // namespace

std::shared_ptr<Connection> Connections::Of(const std::string& peer, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Connection>& found = connections_[peer];
  if (!found) found = std::make_shared<Connection>(peer, now_ns);
  return found;
}

uint64_t Connections::Taken() const {
  uint64_t taken = forgotten_bytes_;
  for (const auto& [peer, connection] : connections_) taken += connection->taken_bytes;
  return taken;
}

bool Connections::Unexplained(uint64_t host_bytes) {
  const std::lock_guard lock(mutex_);
  const uint64_t came = host_bytes - last_host_bytes_;
  const bool many_new = connections_.size() > kept_ + kNewConnections;
  if (came <= kUnexplainedBytes && !many_new) return false;
  const uint64_t taken = Taken();
  if (came <= taken - last_taken_bytes_ + kUnexplainedBytes && !many_new) return false;
  last_host_bytes_ = host_bytes;
  last_taken_bytes_ = taken;
  return true;
}

std::set<std::string> Connections::Excessive(const std::map<std::string, uint64_t>& received,
                                             int64_t now_ns) {
  std::set<std::string> excessive;
  const std::lock_guard lock(mutex_);
  for (auto it = connections_.begin(); it != connections_.end();) {
    const Connection& connection = *it->second;
    const uint64_t taken = connection.taken_bytes;
    const auto found = received.find(it->first);
    if (found == received.end()) {
      forgotten_bytes_ += taken;
      it = connections_.erase(it);
      continue;
    }
    const uint64_t may = taken + Around(taken, now_ns - connection.since_ns) + slack_bytes_;
    if (found->second > may) excessive.insert(it->first);
    ++it;
  }
  kept_ = connections_.size();
  return excessive;
}

}  // namespace huatuo
