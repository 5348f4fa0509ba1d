// What all simulated nodes send, made once: messages that do not differ between nodes are shared as
// bytes, so that the generator takes little of the machine it shares with the server.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "huatuo/v1/huatuo.pb.h"
#include "test/fleet/capture.h"

namespace huatuo {

class Load {
 public:
  // `series` of each node, at least one of each metric of the catalog: those of containers are
  // repeated for further containers until there are as many. A histogram is one series.
  Load(Captured captured, uint64_t series);

  const std::string& catalog_sha256() const { return catalog_sha256_; }
  // Serialized v1::FromNode.
  const std::string& catalog() const { return catalog_; }
  const std::vector<std::string>& announcements() const { return announcements_; }
  // Every value of every series, as the round of a node; each round differs from the one before.
  std::vector<std::string> Round(uint64_t round, int64_t time_ns) const;

  // Those that were captured, in turn.
  const v1::Event& EventOf(uint64_t number) const { return events_[number % events_.size()]; }

  uint64_t series() const { return plain_.size() + histograms_.size(); }
  // Samples of a round as Prometheus counts them: a histogram has one for each bucket, +Inf, sum
  // and count.
  uint64_t samples() const { return samples_; }

 private:
  struct Histogram {
    uint32_t id;
    uint32_t numbers;
  };
  void Add(v1::MetricBatch& batch, uint32_t unit, uint32_t metric, const v1::MetricType& type,
           uint64_t instance);

  std::vector<v1::Event> events_;
  std::string catalog_;
  std::string catalog_sha256_;
  std::vector<std::string> announcements_;
  std::vector<uint32_t> plain_;
  std::vector<Histogram> histograms_;
  uint64_t samples_ = 0;
};

}  // namespace huatuo
