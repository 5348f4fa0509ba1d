// What the ingest of profiles says about itself, as huatuo_apiserver_profile… series.
//
// Thread-safe.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <string_view>

namespace huatuo {

struct ProfileMetrics {
  // `registry` must outlive this object.
  explicit ProfileMetrics(prometheus::Registry& registry);

  // `outcome`: "stored", "rejected", "duplicate", "gap" (sequences that a gap record covers).
  void Profiles(std::string_view outcome, uint64_t count);

  prometheus::Gauge& streams;
  prometheus::Counter& bytes;         // of the messages
  prometheus::Counter& stored_bytes;  // of the blobs, compressed
  prometheus::Histogram& commits;
  prometheus::Counter& failures;
  prometheus::Gauge& queue_bytes;

 private:
  prometheus::Family<prometheus::Counter>& profiles_;
};

}  // namespace huatuo
