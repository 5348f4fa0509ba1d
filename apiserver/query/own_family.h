// What prometheus-cpp counts of this process, in the shape that the nodes' series have.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <string>
#include <vector>

#include "apiserver/store/series.h"

namespace huatuo {

struct OwnSeries {
  std::string labels;
  double value = 0;
  std::vector<uint64_t> cumulative;
  double sum = 0;

  // Without a time: whoever asks uses its own clock. Valid as long as the object.
  SeriesView view() const;
};

struct OwnFamily {
  Family family;
  std::vector<OwnSeries> series;
};

// The quantiles of a summary are left out: there is none.
OwnFamily ToOwnFamily(const prometheus::MetricFamily& from);

}  // namespace huatuo
