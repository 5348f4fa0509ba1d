#include "apiserver/query/federation.h"

#include <algorithm>
#include <utility>

#include "apiserver/query/own_family.h"

namespace huatuo {
namespace {

constexpr std::string_view kBucket = "_bucket";
constexpr std::string_view kSum = "_sum";
constexpr std::string_view kCount = "_count";

bool AnyTakesNode(const std::vector<Selector>& selectors, std::string_view node) {
  return std::any_of(selectors.begin(), selectors.end(),
                     [node](const Selector& one) { return one.Takes("node", node); });
}

}  // namespace

Federation::Federation(std::vector<Selector> selectors, const SeriesTable& series,
                       prometheus::Registry& registry, ExpositionFormat format)
    : selectors_(std::move(selectors)),
      registry_(registry),
      format_(format),
      selection_(
          series.Select([this](std::string_view node) { return AnyTakesNode(selectors_, node); })) {
  for (size_t i = 0; i < selection_.families().size(); ++i) {
    AddParts(*selection_.families()[i], i, parts_);
  }
}

void Federation::AddParts(const Family& family, size_t of, std::vector<Part>& parts) const {
  const bool histogram = family.type == v1::MetricType::HISTOGRAM;
  for (const std::string_view suffix : {kBucket, kSum, kCount}) {
    Part part;
    part.name = family.name;
    part.family = family;
    part.of = of;
    part.suffix = suffix;
    if (histogram) {
      part.name += suffix;
      part.family = {part.name, family.help, v1::MetricType::UNTYPED, {}};
      for (const double bound : family.bounds) part.bounds.push_back(BoundText(format_, bound));
      part.bounds.emplace_back("+Inf");
    }
    for (const Selector& selector : selectors_) {
      if (selector.TakesName(part.name)) part.selectors.push_back(&selector);
    }
    if (!part.selectors.empty()) parts.push_back(std::move(part));
    if (!histogram) return;
  }
}

bool Federation::Step(Exposition& text) {
  if (node_ == selection_.nodes()) {
    node_ = 0;
    ++part_;
  }
  if (selection_.nodes() == 0 || part_ >= parts_.size()) {
    AddOwn(text);
    return false;
  }
  const Part& part = parts_[part_];
  if (node_ == 0) text.Begin(part.family);
  selection_.Visit(*selection_.families()[part.of], node_++,
                   [&](const Family&, const SeriesView& view) { Visit(part, view, text); });
  return true;
}

void Federation::Visit(const Part& part, const SeriesView& view, Exposition& text) {
  if (part.bounds.empty()) return Offer(part, view.labels, view, view.value, text);
  const auto& counts = view.cumulative;
  if (part.suffix == kSum) return Offer(part, view.labels, view, view.sum, text);
  if (part.suffix == kCount) {
    const double count = counts.empty() ? 0 : static_cast<double>(counts.back());
    return Offer(part, view.labels, view, count, text);
  }
  for (size_t i = 0; i < std::min(counts.size(), part.bounds.size()); ++i) {
    text_.assign(view.labels);
    if (!text_.empty()) text_ += ',';
    text_.append("le=\"").append(part.bounds[i]) += '"';
    Offer(part, text_, view, static_cast<double>(counts[i]), text);
  }
}

void Federation::Offer(const Part& part, std::string_view labels, const SeriesView& view,
                       double value, Exposition& text) {
  labels_.Read(labels);
  const auto takes = [this](const Selector* one) { return one->TakesLabels(labels_); };
  if (std::none_of(part.selectors.begin(), part.selectors.end(), takes)) return;
  std::string told(labels);
  if (!labels_.Has("instance")) told += told.empty() ? "instance=\"\"" : ",instance=\"\"";
  SeriesView sample;
  sample.labels = told;
  sample.value = value;
  sample.time_ns = view.time_ns;
  text.Add(sample);
}

void Federation::AddOwn(Exposition& text) {
  for (const prometheus::MetricFamily& collected : registry_.Collect()) {
    const OwnFamily own = ToOwnFamily(collected);
    std::vector<Part> parts;
    AddParts(own.family, 0, parts);
    for (const Part& part : parts) {
      text.Begin(part.family);
      for (const OwnSeries& series : own.series) Visit(part, series.view(), text);
    }
  }
}

}  // namespace huatuo
