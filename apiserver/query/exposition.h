// Metrics as text: Prometheus 0.0.4 and OpenMetrics 1.0.
//
// The labels of a node's series arrive rendered, so that a scrape is little more than copying.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apiserver/store/series.h"

namespace huatuo {

enum class ExpositionFormat { kText, kOpenMetrics };

// What an Accept header asks for; text when it asks for neither.
ExpositionFormat NegotiateExposition(std::string_view accept);

// The media type of a reply.
std::string_view ContentType(ExpositionFormat format);

// A number as a sample's value, a bucket's bound in `format`.
void AppendNumber(std::string& out, double value);
std::string BoundText(ExpositionFormat format, double bound);

// Builds one reply: Begin a family, Add its series, begin the next. Families that were begun and
// have no series are left out. What is ready may be taken away at any time.
class Exposition {
 public:
  explicit Exposition(ExpositionFormat format) : format_(format) {}

  ExpositionFormat format() const { return format_; }
  void Begin(const Family& family);
  void Add(const SeriesView& series);

  // Appends what has been added since the last call.
  void Take(std::string& out);
  size_t size() const { return text_.size(); }
  uint64_t samples() const { return samples_; }  // since the beginning

  // Appends what is left, and the end of the text. Nothing may be added afterwards.
  void Finish(std::string& out);

 private:
  struct Sample {
    std::string_view suffix;
    std::string_view labels;
    std::string_view extra_name;  // one more label: le, quantile
    std::string_view extra_value;
    double value = 0;
    int64_t time_ns = 0;  // 0: none
    const Exemplar* exemplar = nullptr;
  };
  bool open_metrics() const { return format_ == ExpositionFormat::kOpenMetrics; }
  void Header(std::string_view name, std::string_view help, v1::MetricType::Type type);
  void AddSample(const Sample& sample);
  void AddHistogram(const SeriesView& series);
  void AddTime(int64_t time_ns);
  void AddExemplar(const Exemplar& exemplar);

  const ExpositionFormat format_;
  std::string text_;
  std::string name_;    // of the samples: without _total in OpenMetrics
  std::string header_;  // of the family that was begun, until its first sample
  v1::MetricType::Type type_ = v1::MetricType::TYPE_UNSPECIFIED;
  std::vector<std::string> bounds_;
  uint64_t samples_ = 0;
  int64_t time_ms_ = 0;    // of the last sample that had one
  std::string time_text_;  // how that was written: the series of a node share it
};

}  // namespace huatuo
