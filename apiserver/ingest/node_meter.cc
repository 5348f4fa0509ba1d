#include "apiserver/ingest/node_meter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/status.h"

namespace huatuo {
namespace {

constexpr double kBurstSeconds = 4;

Bucket BucketOf(uint64_t per_second) {
  const auto rate = static_cast<double>(per_second);
  return {rate, rate * kBurstSeconds};
}

}  // namespace

NodeMeter::NodeMeter(std::string node, const NodeRates& rates)
    : node_(std::move(node)),
      rates_(rates),
      messages_(BucketOf(rates.messages_per_second)),
      bytes_(BucketOf(rates.bytes_per_second)) {}

absl::Status NodeMeter::Take(size_t bytes, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (!messages_.Take(1, now_ns)) {
    return ResourceExhausted(
        fmt::format("node {}: more than {} messages a second", node_, rates_.messages_per_second));
  }
  if (!bytes_.Take(static_cast<double>(bytes), now_ns)) {
    return ResourceExhausted(
        fmt::format("node {}: more than {} bytes a second", node_, rates_.bytes_per_second));
  }
  return absl::OkStatus();
}

bool NodeMeter::full(int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  return messages_.full(now_ns) && bytes_.full(now_ns);
}

std::shared_ptr<NodeMeter> NodeMeters::Of(const std::string& node, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (meters_.size() >= sweep_at_) {
    std::erase_if(meters_, [now_ns](const auto& one) {
      return one.second.use_count() == 1 && one.second->full(now_ns);
    });
    sweep_at_ = std::max<size_t>(1024, 2 * meters_.size());
  }
  std::shared_ptr<NodeMeter>& meter = meters_[node];
  if (!meter) meter = std::make_shared<NodeMeter>(node, rates_);
  return meter;
}

}  // namespace huatuo
