#include "apiserver/store/node_series.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "apiserver/store/series_labels.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Label by label: a quote within a value is escaped, so what is looked for is in no value.
bool HasLabels(std::string_view text, const std::vector<std::string>& labels) {
  return std::all_of(labels.begin(), labels.end(), [text](const std::string& label) {
    return text.find("," + label) != std::string_view::npos;
  });
}

// Where in the exemplars of a family one of this value is: at the bucket that counts it.
size_t PlaceOf(const Family& family, double value) {
  const auto bound = std::lower_bound(family.bounds.begin(), family.bounds.end(), value);
  return static_cast<size_t>(bound - family.bounds.begin());
}

constexpr uint64_t kMissedRounds = 3;
constexpr int64_t kKeptAfterClose = 60'000'000'000;

// Scrapers refuse samples that are much older or newer than their own clock; less than this is the
// time that a sample takes to get here.
constexpr int64_t kTrustedSkewNs = 60'000'000'000;

// So that sums and differences of two times fit: until 2116.
int64_t Bounded(int64_t time_ns) { return std::clamp<int64_t>(time_ns, 0, (1LL << 62) - 1); }

absl::Status CheckHistogram(const v1::MetricType& metric, const v1::HistogramSample& sample) {
  if (metric.type() != v1::MetricType::HISTOGRAM) {
    return InvalidArgument(
        fmt::format("histogram of series {}: {} is none", sample.id(), metric.name()));
  }
  if (sample.cumulative_size() != static_cast<int>(metric.buckets()) + 1) {
    return InvalidArgument(fmt::format("histogram of series {}: {} counts: {} has {}", sample.id(),
                                       sample.cumulative_size(), metric.name(),
                                       metric.buckets() + 1));
  }
  if (!std::is_sorted(sample.cumulative().begin(), sample.cumulative().end())) {
    return InvalidArgument(
        fmt::format("histogram of series {}: cumulative counts decrease", sample.id()));
  }
  return absl::OkStatus();
}

}  // namespace

void NodeSeries::Open(std::string_view node_labels, uint64_t session,
                      std::shared_ptr<const v1::Catalog> catalog, std::vector<uint32_t> muted,
                      int64_t now_ns) {
  if (session < session_) return;
  const int64_t lost_ns = closed_ns_ >= 0 ? closed_ns_ : now_ns;
  for (auto& [name, family] : families_) {
    for (const auto& series : family.series) {
      if (!series->owned) continue;
      series->owned = false;
      ++lost_;
      series->lost_round = completed_;
      series->lost_ns = lost_ns;
      if (series->sampled_round < completed_) series->time_ns = completed_time_ns_;
    }
  }
  targets_.clear();
  found_families_.clear();
  subjects_.Clear();
  node_labels_ = node_labels;
  session_ = session;
  closed_ns_ = -1;
  catalog_ = std::move(catalog);
  muted_ = std::move(muted);
}

void NodeSeries::Close(uint64_t session, int64_t now_ns) {
  if (session == session_ && closed_ns_ < 0) closed_ns_ = now_ns;
}

absl::Status NodeSeries::Apply(uint64_t session, const v1::MetricBatch& batch, int64_t wall_ns) {
  if (session != session_ || closed_ns_ >= 0) {
    return absl::AbortedError("metrics of a session that is not the newest of its node");
  }
  for (const v1::SeriesAnnounce& announce : batch.announce()) RETURN_IF_ERROR(Announce(announce));
  Trust(batch.samples().time_ns(), wall_ns);
  RETURN_IF_ERROR(Sample(batch.samples()));
  for (const uint32_t id : batch.end()) RETURN_IF_ERROR(End(id));
  return absl::OkStatus();
}

absl::Status NodeSeries::Announce(const v1::SeriesAnnounce& announce) {
  if (static_cast<int64_t>(announce.unit()) >= catalog_->units_size()) {
    return InvalidArgument(fmt::format("series {}: unit {}: the catalog has {}", announce.id(),
                                       announce.unit(), catalog_->units_size()));
  }
  const v1::Unit& unit = catalog_->units(static_cast<int>(announce.unit()));
  if (static_cast<int64_t>(announce.metric()) >= unit.metrics_size()) {
    return InvalidArgument(fmt::format("series {}: metric {}: unit {} has {}", announce.id(),
                                       announce.metric(), unit.name(), unit.metrics_size()));
  }
  Target target{.metric = &unit.metrics(static_cast<int>(announce.metric())),
                .family = nullptr,
                .series = nullptr};
  if (targets_.contains(announce.id())) {
    return InvalidArgument(fmt::format("series {}: announced twice", announce.id()));
  }
  if (std::find(muted_.begin(), muted_.end(), announce.unit()) != muted_.end()) {
    ++counts_.muted;
  } else {
    RETURN_IF_ERROR(Keep(announce, target));
  }
  targets_.emplace(announce.id(), target);
  return absl::OkStatus();
}

absl::Status NodeSeries::Keep(const v1::SeriesAnnounce& announce, Target& target) {
  if (!target.metric->container()) return Place(announce, "", target);
  const v1::Container& container = announce.container();
  SeriesSubjects::Subject* const subject = subjects_.Find(container);
  if (subject == nullptr) return Place(announce, subjects_.Unnamed(container), target);
  target.subject = subject;
  subject->series.push_back(announce.id());
  return Place(announce, subject->labels, target);
}

absl::Status NodeSeries::Place(const v1::SeriesAnnounce& announce, std::string_view container,
                               Target& target) {
  ASSIGN_OR_RETURN(std::string labels,
                   SeriesLabels(node_labels_, container, *target.metric, announce));
  FamilySeries* family = FindFamily(*target.metric);
  if (family == nullptr) {
    ++counts_.conflicting;
    return absl::OkStatus();
  }
  Series* found = family->series.Find(labels);
  if (found == nullptr) {
    if (series_ >= max_series_) {
      ++counts_.refused_series;
      return absl::OkStatus();
    }
    auto series = std::make_unique<Series>();
    series->labels = std::move(labels);
    found = family->series.Insert(std::move(series));
    ++series_;
    ++lost_;
  } else if (found->owned) {
    const std::string unnamed = UnnamedPod(target);
    if (!unnamed.empty() && unnamed != container) return Place(announce, unnamed, target);
    ++counts_.duplicates;
    return absl::OkStatus();
  }
  --lost_;
  found->owned = true;
  found->id = announce.id();
  found->container_size = static_cast<uint32_t>(container.size());
  // A value that was taken over is as old as it was until the node sends one.
  found->sampled_round = completed_;
  target.family = family;
  target.series = found;
  return absl::OkStatus();
}

// For a pod as a whole that was made anew under its name, while the series of the one before are
// still there: the text with its uid, until they are gone. Else empty.
std::string NodeSeries::UnnamedPod(const Target& target) {
  if (target.subject == nullptr || !target.subject->container.id().empty()) return "";
  target.subject->stale = true;
  return subjects_.Unnamed(target.subject->container);
}

// A series whose new text another one still has, as that of a pod which was made anew under its
// name, keeps its old one until the next time.
void NodeSeries::Relabel(SeriesSubjects::Subject& subject) {
  subject.stale = false;
  for (const uint32_t id : subject.series) {
    const auto found = targets_.find(id);
    if (found == targets_.end() || found->second.family == nullptr) continue;
    if (!Rename(found->second)) subject.stale = true;
  }
}

bool NodeSeries::Rename(Target& target) {
  OrderedSeries<Series>& all = target.family->series;
  const std::string& old = target.series->labels;
  const size_t begin = node_labels_.size() + 1;
  const std::string& container = target.subject->labels;
  std::string labels =
      old.substr(0, begin) + container + old.substr(begin + target.series->container_size);
  if (labels == old) return true;
  if (const Series* const other = all.Find(labels)) {
    if (other->owned) return false;
    Erase(*target.family, *other);
  }
  auto series = all.TakeOut(*target.series);
  labels.shrink_to_fit();
  series->labels = std::move(labels);
  series->container_size = static_cast<uint32_t>(container.size());
  all.Insert(std::move(series));
  return true;
}

void NodeSeries::Forget(uint32_t id, const Target& target) {
  if (target.family != nullptr) Erase(*target.family, *target.series);
  if (target.subject != nullptr) subjects_.Remove(*target.subject, id);
}

NodeSeries::FamilySeries* NodeSeries::FindFamily(const v1::MetricType& metric) {
  const auto found = found_families_.find(&metric);
  if (found != found_families_.end()) return found->second;
  std::shared_ptr<const Family> family = family_of_(metric);
  if (!family) return nullptr;
  FamilySeries& mine = families_[metric.name()];
  by_family_.erase(mine.family.get());
  mine.family = std::move(family);
  by_family_[mine.family.get()] = &mine;
  found_families_.emplace(&metric, &mine);
  return &mine;
}

absl::Status NodeSeries::End(uint32_t id) {
  const auto found = targets_.find(id);
  if (found == targets_.end()) return InvalidArgument(fmt::format("end: series {}: unknown", id));
  Forget(id, found->second);
  targets_.erase(found);
  return absl::OkStatus();
}

absl::Status NodeSeries::Sample(const v1::Samples& samples) {
  if (samples.ids_size() != samples.values_size()) {
    return InvalidArgument(
        fmt::format("samples: {} values for {} ids", samples.values_size(), samples.ids_size()));
  }
  for (int i = 0; i < samples.ids_size(); ++i) {
    const auto found = targets_.find(samples.ids(i));
    if (found == targets_.end() || found->second.metric->type() == v1::MetricType::HISTOGRAM) {
      return InvalidArgument(fmt::format("samples: series {}: {}", samples.ids(i),
                                         found == targets_.end() ? "unknown" : "a histogram"));
    }
    if (found->second.family == nullptr) continue;
    Series& series = *found->second.series;
    series.value = samples.values(i);
    Stamp(series, samples.time_ns());
  }
  for (const v1::HistogramSample& sample : samples.histograms()) {
    RETURN_IF_ERROR(SampleHistogram(sample, samples.time_ns()));
  }
  if (samples.complete()) {
    ++completed_;
    completed_time_ns_ = Corrected(samples.time_ns());
  }
  return absl::OkStatus();
}

absl::Status NodeSeries::SampleHistogram(const v1::HistogramSample& sample, int64_t time_ns) {
  const auto found = targets_.find(sample.id());
  if (found == targets_.end()) {
    return InvalidArgument(fmt::format("histogram of series {}: unknown", sample.id()));
  }
  RETURN_IF_ERROR(CheckHistogram(*found->second.metric, sample));
  if (found->second.family == nullptr) return absl::OkStatus();
  Series& series = *found->second.series;
  series.cumulative.assign(sample.cumulative().begin(), sample.cumulative().end());
  series.value = sample.sum();
  series.start_time_ns = Corrected(sample.start_time_ns());
  Stamp(series, time_ns);
  return absl::OkStatus();
}

// Kept as long as it holds, so that times of one node do not jitter.
void NodeSeries::Trust(int64_t sample_ns, int64_t wall_ns) {
  const auto near = [&](int64_t ns) { return std::abs(ns - wall_ns) <= kTrustedSkewNs; };
  const int64_t node_ns = Bounded(sample_ns);
  if (sample_ns == 0 || near(node_ns + offset_ns_)) return;
  offset_ns_ = near(node_ns) ? 0 : wall_ns - node_ns;
}

int64_t NodeSeries::Corrected(int64_t node_ns) const {
  return offset_ns_ == 0 || node_ns == 0 ? node_ns : Bounded(node_ns) + offset_ns_;
}

void NodeSeries::Stamp(Series& series, int64_t time_ns) {
  series.time_ns = Corrected(time_ns);
  series.sampled_round = completed_;
  series.sampled = true;
  ++counts_.samples;
}

void NodeSeries::Erase(FamilySeries& family, const Series& series) {
  Gone(series);
  family.series.TakeOut(series);
}

void NodeSeries::Gone(const Series& series) {
  if (!series.owned) --lost_;
  --series_;
}

void NodeSeries::Exemplify(const ExemplarOf& one) {
  const auto mine = families_.find(one.family);
  if (mine == families_.end()) return;
  const Family& family = *mine->second.family;
  for (const auto& series : mine->second.series) {
    if (!series->sampled || !HasLabels(series->labels, one.labels)) continue;
    if (!series->exemplars) {
      series->exemplars = std::make_unique<std::vector<Exemplar>>(family.bounds.size() + 1);
    }
    Exemplar& kept = (*series->exemplars)[PlaceOf(family, one.exemplar.value)];
    const int64_t time_ns = Corrected(one.exemplar.time_ns);
    // Events that come again after a break are older, and a scraper takes only newer ones.
    if (time_ns <= kept.time_ns) continue;
    kept = one.exemplar;
    kept.time_ns = time_ns;
  }
}

void NodeSeries::Visit(const Family& family,
                       const std::function<void(const Family&, const SeriesView&)>& visit) const {
  const auto mine = by_family_.find(&family);
  if (mine == by_family_.end()) return;
  const bool histogram = family.type == v1::MetricType::HISTOGRAM;
  mine->second->series.Visit([&](const Series& series) {
    if (!series.sampled) return;
    // A complete round says of everything it does not mention that it has not changed.
    const bool confirmed = series.owned && series.sampled_round < completed_;
    visit(family, {.labels = series.labels,
                   .value = histogram ? 0 : series.value,
                   .cumulative = series.cumulative,
                   .sum = histogram ? series.value : 0,
                   .start_time_ns = series.start_time_ns,
                   .time_ns = confirmed ? completed_time_ns_ : series.time_ns,
                   .exemplars = series.exemplars ? std::span<const Exemplar>(*series.exemplars)
                                                 : std::span<const Exemplar>()});
  });
}

bool NodeSeries::Expired(const Series& series, int64_t now_ns) const {
  if (series.owned) return closed_ns_ >= 0 && now_ns - closed_ns_ >= kKeptAfterClose;
  return completed_ - series.lost_round >= kMissedRounds ||
         now_ns - series.lost_ns >= kKeptAfterClose;
}

void NodeSeries::Sweep(int64_t now_ns) {
  const bool over = closed_ns_ >= 0 && now_ns - closed_ns_ >= kKeptAfterClose;
  if (over) {
    targets_.clear();
    found_families_.clear();
    subjects_.Clear();
  }
  for (SeriesSubjects::Subject* subject : subjects_.Changed(now_ns)) Relabel(*subject);
  // Nothing else expires: not even looked at, there may be a million.
  if (!over && lost_ == 0) return;
  for (auto family = families_.begin(); family != families_.end();) {
    FamilySeries& mine = family->second;
    mine.series.EraseIf([&](const Series& series) {
      const bool expired = Expired(series, now_ns);
      if (expired) Gone(series);
      return expired;
    });
    // An open session may still announce into the family, and its targets point to it.
    const bool unused = over && mine.series.empty();
    if (unused) by_family_.erase(mine.family.get());
    family = unused ? families_.erase(family) : std::next(family);
  }
}

SeriesTable::Counts NodeSeries::counts() const {
  SeriesTable::Counts counts = counts_;
  counts.series = series_;
  return counts;
}

}  // namespace huatuo
