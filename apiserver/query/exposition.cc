#include "apiserver/query/exposition.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <utility>

#include "apiserver/query/accept.h"

namespace huatuo {
namespace {

constexpr std::string_view kOpenMetricsType = "application/openmetrics-text";

void Escape(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

std::string_view TypeName(v1::MetricType::Type type, bool open_metrics) {
  switch (type) {
    case v1::MetricType::COUNTER:
      return "counter";
    case v1::MetricType::GAUGE:
      return "gauge";
    case v1::MetricType::HISTOGRAM:
      return "histogram";
    default:
      return open_metrics ? "unknown" : "untyped";
  }
}

// Seconds with milliseconds: what a scraper keeps of a time.
void OpenMetricsTime(std::string& out, int64_t time_ns) {
  const int64_t ms = time_ns / 1'000'000;
  fmt::format_to(std::back_inserter(out), "{}.{:03}", ms / 1000, ms % 1000);
}

// Null when there is none.
const Exemplar* ExemplarAt(const SeriesView& series, size_t place) {
  const bool known = place < series.exemplars.size() && series.exemplars[place].time_ns != 0;
  return known ? &series.exemplars[place] : nullptr;
}

}  // namespace

ExpositionFormat NegotiateExposition(std::string_view accept) {
  double open_metrics = 0;
  double text = 0;
  double any = 0;
  for (const AcceptedItem& item : ParseAccept(accept)) {
    const std::string_view version = item.Parameter("version");
    if (item.name == kOpenMetricsType && (version.empty() || version == "1.0.0")) {
      open_metrics = std::max(open_metrics, item.q);
    }
    if (item.name == "text/plain") text = std::max(text, item.q);
    if (item.name == "text/*" || item.name == "*/*") any = std::max(any, item.q);
  }
  if (text == 0) text = any;
  return open_metrics > 0 && open_metrics >= text ? ExpositionFormat::kOpenMetrics
                                                  : ExpositionFormat::kText;
}

std::string_view ContentType(ExpositionFormat format) {
  return format == ExpositionFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

void AppendNumber(std::string& out, double value) {
  // Most values are counts, and those are written ten times faster as integers.
  constexpr double kExact = 1e15;
  if (value > -kExact && value < kExact) {
    const auto whole = static_cast<int64_t>(value);
    if (static_cast<double>(whole) == value && (whole != 0 || !std::signbit(value))) {
      const fmt::format_int text(whole);
      out.append(text.data(), text.size());
      return;
    }
  }
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    char text[32];  // the longest is -1.7976931348623157e+308
    out.append(text, fmt::format_to(text, FMT_COMPILE("{}"), value));
  }
}

std::string BoundText(ExpositionFormat format, double bound) {
  std::string text;
  AppendNumber(text, bound);
  // OpenMetrics asks for "1.0" where the older format has "1".
  const bool whole = text.find_first_not_of("-0123456789") == std::string::npos;
  if (format == ExpositionFormat::kOpenMetrics && whole) text += ".0";
  return text;
}

void Exposition::Header(std::string_view name, std::string_view help, v1::MetricType::Type type) {
  type_ = type;
  name_ = name;
  const std::string_view total = "_total";
  const bool cut = open_metrics() && type == v1::MetricType::COUNTER && name.ends_with(total);
  if (cut) name_.resize(name_.size() - total.size());
  header_ = fmt::format("# HELP {} ", name_);
  Escape(header_, help, open_metrics());
  header_ += fmt::format("\n# TYPE {} {}\n", name_, TypeName(type, open_metrics()));
}

void Exposition::Begin(const Family& family) {
  Header(family.name, family.help, family.type);
  bounds_.clear();
  for (const double bound : family.bounds) bounds_.push_back(BoundText(format_, bound));
  bounds_.emplace_back("+Inf");
}

void Exposition::AddSample(const Sample& sample) {
  if (!header_.empty()) text_ += header_;
  header_.clear();
  text_ += name_;
  text_ += sample.suffix;
  const bool extra = !sample.extra_name.empty();
  if (extra || !sample.labels.empty()) text_ += '{';
  text_ += sample.labels;
  if (extra) {
    if (!sample.labels.empty()) text_ += ',';
    text_.append(sample.extra_name).append("=\"").append(sample.extra_value) += '"';
  }
  if (extra || !sample.labels.empty()) text_ += '}';
  text_ += ' ';
  if (sample.suffix == "_created") {
    OpenMetricsTime(text_, static_cast<int64_t>(sample.value));
  } else {
    AppendNumber(text_, sample.value);
  }
  if (sample.time_ns != 0) AddTime(sample.time_ns);
  if (sample.exemplar != nullptr && open_metrics()) AddExemplar(*sample.exemplar);
  text_ += '\n';
  ++samples_;
}

void Exposition::AddTime(int64_t time_ns) {
  const int64_t ms = time_ns / 1'000'000;
  if (ms != time_ms_ || time_text_.empty()) {
    time_ms_ = ms;
    time_text_ = " ";
    if (open_metrics()) {
      OpenMetricsTime(time_text_, time_ns);
    } else {
      time_text_ += std::to_string(ms);
    }
  }
  text_ += time_text_;
}

void Exposition::AddExemplar(const Exemplar& exemplar) {
  text_.append(" # {event_id=\"").append(exemplar.event_id).append("\"} ");
  AppendNumber(text_, exemplar.value);
  text_ += ' ';
  OpenMetricsTime(text_, exemplar.time_ns);
}

void Exposition::AddHistogram(const SeriesView& series) {
  const size_t buckets = std::min(bounds_.size(), series.cumulative.size());
  for (size_t i = 0; i < buckets; ++i) {
    AddSample({"_bucket", series.labels, "le", bounds_[i],
               static_cast<double>(series.cumulative[i]), series.time_ns, ExemplarAt(series, i)});
  }
  const double count =
      series.cumulative.empty() ? 0 : static_cast<double>(series.cumulative.back());
  AddSample({"_sum", series.labels, {}, {}, series.sum, series.time_ns});
  AddSample({"_count", series.labels, {}, {}, count, series.time_ns});
}

void Exposition::Add(const SeriesView& series) {
  const bool counter = type_ == v1::MetricType::COUNTER;
  if (type_ == v1::MetricType::HISTOGRAM) {
    AddHistogram(series);
  } else {
    const std::string_view suffix = counter && open_metrics() ? "_total" : "";
    const Exemplar* exemplar = counter ? ExemplarAt(series, 0) : nullptr;
    AddSample({suffix, series.labels, {}, {}, series.value, series.time_ns, exemplar});
  }
  const bool cumulative = counter || type_ == v1::MetricType::HISTOGRAM;
  if (open_metrics() && cumulative && series.start_time_ns != 0) {
    AddSample({"_created",
               series.labels,
               {},
               {},
               static_cast<double>(series.start_time_ns),
               series.time_ns});
  }
}

void Exposition::Take(std::string& out) {
  // Both keep their memory then, for the next piece.
  if (out.empty()) {
    out.swap(text_);
  } else {
    out += text_;
  }
  text_.clear();
}

void Exposition::Finish(std::string& out) {
  if (open_metrics()) text_ += "# EOF\n";
  Take(out);
}

}  // namespace huatuo
