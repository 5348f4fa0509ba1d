// A reply of metrics, made in pieces, and what such replies cost.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <functional>
#include <string>

#include "apiserver/query/exposition.h"
#include "apiserver/query/http.h"

namespace huatuo {

// `huatuo_apiserver_scrape_…` of one route. Thread-safe. Must not outlive the registry.
struct ExpositionCounts {
  // `route`: one of few fixed patterns. Its series are there from then on.
  ExpositionCounts(prometheus::Registry& registry, const std::string& route);

  prometheus::Counter& cpu_seconds;
  prometheus::Counter& bytes;
  prometheus::Counter& samples;
  prometheus::Counter& unfinished;
  prometheus::Histogram& seconds;
};

// Adds some series, those of one family and node or so; false when nothing was left to add.
using ExpositionStep = std::function<bool(Exposition&)>;

// A reply that is left before its end is counted.
Response ExpositionReply(ExpositionFormat format, ExpositionStep step,
                         const ExpositionCounts& counts);

}  // namespace huatuo
