#include "apiserver/query/own_family.h"

#include "apiserver/store/series_labels.h"

namespace huatuo {
namespace {

v1::MetricType::Type TypeOf(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return v1::MetricType::COUNTER;
    case prometheus::MetricType::Gauge:
      return v1::MetricType::GAUGE;
    case prometheus::MetricType::Histogram:
      return v1::MetricType::HISTOGRAM;
    default:
      return v1::MetricType::UNTYPED;
  }
}

double ValueOf(prometheus::MetricType type, const prometheus::ClientMetric& metric) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return metric.counter.value;
    case prometheus::MetricType::Gauge:
      return metric.gauge.value;
    case prometheus::MetricType::Summary:
      return metric.summary.sample_sum;
    default:
      return metric.untyped.value;
  }
}

std::string Labels(const prometheus::ClientMetric& metric) {
  std::string labels;
  for (const auto& label : metric.label) {
    if (!labels.empty()) labels += ',';
    labels += label.name + "=\"";
    AppendEscaped(labels, label.value);
    labels += '"';
  }
  return labels;
}

}  // namespace

SeriesView OwnSeries::view() const {
  SeriesView view;
  view.labels = labels;
  view.value = value;
  view.cumulative = cumulative;
  view.sum = sum;
  return view;
}

OwnFamily ToOwnFamily(const prometheus::MetricFamily& from) {
  OwnFamily own{.family = {from.name, from.help, TypeOf(from.type), {}}, .series = {}};
  const bool histogram = from.type == prometheus::MetricType::Histogram;
  for (const prometheus::ClientMetric& metric : from.metric) {
    OwnSeries series;
    series.labels = Labels(metric);
    series.value = histogram ? 0 : ValueOf(from.type, metric);
    series.sum = metric.histogram.sample_sum;
    own.family.bounds.clear();
    for (const auto& bucket : metric.histogram.bucket) {
      own.family.bounds.push_back(bucket.upper_bound);
      series.cumulative.push_back(bucket.cumulative_count);
    }
    // The last bound is +Inf, which every histogram has.
    if (histogram && !own.family.bounds.empty()) own.family.bounds.pop_back();
    own.series.push_back(std::move(series));
  }
  return own;
}

}  // namespace huatuo
