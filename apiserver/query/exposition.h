// Metrics as text: Prometheus 0.0.4 and OpenMetrics 1.0.
//
// The labels of a node's series arrive rendered, so that a scrape of 100,000 series is little more
// than copying; prometheus-cpp's own serializer took 50 times as long.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>

#include "apiserver/store/series.h"

namespace huatuo {

enum class ExpositionFormat { kText, kOpenMetrics };

// What an Accept header asks for; text when it asks for neither.
ExpositionFormat NegotiateExposition(std::string_view accept);

// The media type of a reply.
std::string_view ContentType(ExpositionFormat format);

// Builds one reply: Begin a family, Add its series, begin the next. Families that were begun and
// have no series are left out.
class Exposition {
 public:
  explicit Exposition(ExpositionFormat format) : format_(format) {}

  void Begin(const Family& family);
  void Add(const SeriesView& series);

  // A family of this process, without time stamps.
  void Add(const prometheus::MetricFamily& family);

  std::string Finish() &&;

 private:
  struct Sample {
    std::string_view suffix;
    std::string_view labels;
    std::string_view extra_name;  // one more label: le, quantile
    std::string_view extra_value;
    double value = 0;
    int64_t time_ns = 0;  // 0: none
  };
  bool open_metrics() const { return format_ == ExpositionFormat::kOpenMetrics; }
  void Header(std::string_view name, std::string_view help, v1::MetricType::Type type);
  void AddSample(const Sample& sample);
  void AddHistogram(const SeriesView& series);
  void AddOwn(const prometheus::MetricFamily& family, const prometheus::ClientMetric& metric,
              std::string_view labels);
  std::string Bound(double bound) const;

  const ExpositionFormat format_;
  std::string text_;
  std::string name_;    // of the samples: without _total in OpenMetrics
  std::string header_;  // of the family that was begun, until its first sample
  v1::MetricType::Type type_ = v1::MetricType::TYPE_UNSPECIFIED;
  std::vector<std::string> bounds_;
};

}  // namespace huatuo
