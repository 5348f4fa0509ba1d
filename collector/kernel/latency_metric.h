// A latency that BPF counted (bpf/latency.h) as a metric.
#pragma once

#include <array>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>

#include "bpf/latency.h"
#include "collector/instance.h"

namespace huatuo {

// Of the metric's type: 1 us to 16.8 s.
inline constexpr double kLatencyFirstBound = 1e-6;
inline constexpr uint32_t kLatencyBounds = LATENCY_BUCKETS - 1;

inline double Seconds(const latency& of) { return static_cast<double>(of.sum_ns) / 1e9; }

inline uint64_t Count(const latency& of) {
  return std::accumulate(std::begin(of.bucket), std::end(of.bucket), uint64_t{0});
}

inline void AddTo(latency* sum, const latency& of) {
  for (size_t i = 0; i < LATENCY_BUCKETS; ++i) sum->bucket[i] += of.bucket[i];
  sum->sum_ns += of.sum_ns;
}

inline latency SumOf(std::span<const latency> cpus) {
  latency sum{};
  for (const latency& cpu : cpus) AddTo(&sum, cpu);
  return sum;
}

// `start_ns`: since when it has been counted, by the wall clock.
inline void SetLatency(MetricWriter& writer, size_t metric,
                       std::span<const std::string_view> labels, const v1::Container* container,
                       const latency& of, int64_t start_ns) {
  std::array<uint64_t, LATENCY_BUCKETS> cumulative{};
  std::partial_sum(std::begin(of.bucket), std::end(of.bucket), cumulative.begin());
  writer.SetHistogram(metric, labels, container, cumulative, Seconds(of), start_ns);
}

}  // namespace huatuo
