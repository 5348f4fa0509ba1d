#include "collector/ship/series.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace huatuo {
namespace {

// Below the 512 KiB that a message may have, by more than one announcement or histogram needs.
constexpr size_t kSplitBytes = 448 << 10;
// Packed id and value of one sample.
constexpr size_t kSampleBytes = 13;

size_t HashLabels(size_t seed, const auto& labels) {
  for (const auto& label : labels) {
    seed = absl::HashOf(seed, std::hash<std::string_view>()(label));
  }
  return seed;
}

}  // namespace

namespace {

// Services have no id, only a name; a pod as a whole has neither. None looks like another.
std::string_view Identity(const v1::Container& container) {
  if (!container.id().empty()) return container.id();
  return container.name().empty() ? container.pod_uid() : container.name();
}

}  // namespace

struct SeriesWriter::Series {
  bool live = false;
  bool written = false;    // in the round that is open
  bool committed = false;  // in a round that ended
  bool ending = false;     // asked for
  bool dirty = false;      // the stream was not told the committed value
  bool histogram = false;
  uint32_t id = 0;  // on this stream; 0: not announced
  uint32_t unit = 0;
  uint32_t metric = 0;
  std::vector<std::string> labels{};
  v1::Container container{};
  bool has_container = false;

  struct Reading {
    double value = 0;  // or the sum
    std::vector<uint64_t> cumulative;
    int64_t start_time_ns = 0;
    bool operator==(const Reading&) const = default;
  };
  Reading open{};
  Reading shown{};

  std::string_view container_id() const {
    return has_container ? Identity(container) : std::string_view();
  }
};

// Finds a slot by key without making one: both sides hash and compare alike.
struct SeriesWriter::Index {
  struct Hash {
    using is_transparent = void;
    const std::vector<Series>* series;
    size_t operator()(uint32_t slot) const {
      const Series& s = (*series)[slot];
      return HashLabels(
          absl::HashOf(s.unit, s.metric, std::hash<std::string_view>()(s.container_id())),
          s.labels);
    }
    size_t operator()(const SeriesKey& key) const {
      std::string_view id =
          key.container == nullptr ? std::string_view() : Identity(*key.container);
      return HashLabels(absl::HashOf(key.unit, key.metric, std::hash<std::string_view>()(id)),
                        key.label_values);
    }
  };
  struct Equal {
    using is_transparent = void;
    const std::vector<Series>* series;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(const SeriesKey& key, uint32_t slot) const { return (*this)(slot, key); }
    bool operator()(uint32_t slot, const SeriesKey& key) const {
      const Series& s = (*series)[slot];
      return s.unit == key.unit && s.metric == key.metric &&
             s.has_container == (key.container != nullptr) &&
             (!s.has_container || Identity(s.container) == Identity(*key.container)) &&
             std::equal(s.labels.begin(), s.labels.end(), key.label_values.begin(),
                        key.label_values.end());
    }
  };
  explicit Index(const std::vector<Series>& series)
      : slots(0, Hash{.series = &series}, Equal{.series = &series}) {}
  absl::flat_hash_set<uint32_t, Hash, Equal> slots;
};

// Fills messages one after another, so that none becomes too large.
class SeriesWriter::Splitter {
 public:
  Splitter(uint64_t round, int64_t time_ns) : round_(round), time_ns_(time_ns) { Open(); }

  v1::MetricBatch& Room(size_t bytes) {
    if (bytes_ + bytes > kSplitBytes) {
      Open();
    }
    bytes_ += bytes;
    return batches_.back();
  }

  std::vector<v1::MetricBatch> Finish() {
    batches_.back().mutable_samples()->set_complete(true);
    return std::move(batches_);
  }

 private:
  void Open() {
    bytes_ = 64;
    v1::Samples* samples = batches_.emplace_back().mutable_samples();
    samples->set_round(round_);
    samples->set_time_ns(time_ns_);
  }

  uint64_t round_;
  int64_t time_ns_;
  size_t bytes_ = 0;
  std::vector<v1::MetricBatch> batches_;
};

SeriesWriter::SeriesWriter(size_t max_series)
    : max_series_(max_series), index_(std::make_unique<Index>(series_)) {}

SeriesWriter::~SeriesWriter() = default;

SeriesWriter::Series* SeriesWriter::Touch(const SeriesKey& key, Beginning beginning,
                                          Outcome& outcome) {
  Turn(key.unit);
  outcome = Outcome::kKept;
  auto found = index_->slots.find(key);
  if (found != index_->slots.end()) {
    series_[*found].written = true;
    series_[*found].ending = false;
    return &series_[*found];
  }
  if (beginning == Beginning::kOnlyKnown) {
    outcome = Outcome::kUnknown;
    return nullptr;
  }
  if (index_->slots.size() >= max_series_) {
    ++refused_;
    outcome = Outcome::kFull;
    return nullptr;
  }
  outcome = Outcome::kBegan;
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(series_.size()));
    series_.emplace_back();
  }
  uint32_t slot = free_.back();
  free_.pop_back();
  Series& series = series_[slot];
  series = {.live = true, .written = true, .unit = key.unit, .metric = key.metric};
  series.labels.assign(key.label_values.begin(), key.label_values.end());
  series.has_container = key.container != nullptr;
  if (series.has_container) {
    series.container = *key.container;
  }
  index_->slots.insert(slot);
  return &series;
}

SeriesWriter::Outcome SeriesWriter::Set(const SeriesKey& key, double value, Beginning beginning) {
  std::lock_guard lock(mutex_);
  Outcome outcome{};
  if (Series* series = Touch(key, beginning, outcome)) {
    series->open.value = value;
  }
  return outcome;
}

SeriesWriter::Outcome SeriesWriter::SetHistogram(const SeriesKey& key, const HistogramView& value,
                                                 Beginning beginning) {
  std::lock_guard lock(mutex_);
  Outcome outcome{};
  if (Series* series = Touch(key, beginning, outcome)) {
    series->histogram = true;
    series->open.value = value.sum;
    series->open.cumulative.assign(value.cumulative.begin(), value.cumulative.end());
    series->open.start_time_ns = value.start_time_ns;
  }
  return outcome;
}

void SeriesWriter::Turn(uint32_t unit) {
  if (unit >= turns_.size()) {
    turns_.resize(unit + 1);
  }
  turns_[unit] = 1;
}

void SeriesWriter::Ran(uint32_t unit) {
  std::lock_guard lock(mutex_);
  Turn(unit);
}

void SeriesWriter::End(const SeriesKey& key) {
  std::lock_guard lock(mutex_);
  auto found = index_->slots.find(key);
  if (found != index_->slots.end()) {
    series_[*found].ending = true;
  }
}

void SeriesWriter::EndUnit(uint32_t unit) {
  std::lock_guard lock(mutex_);
  for (Series& series : series_) {
    series.ending = series.ending || (series.live && series.unit == unit);
  }
}

void SeriesWriter::Drop(uint32_t slot) {
  Series& series = series_[slot];
  index_->slots.erase(slot);
  if (series.id != 0) {
    ends_.push_back(series.id);
  }
  series = {};
  free_.push_back(slot);
}

void SeriesWriter::Commit(Series& series) {
  if (series.written && (!series.committed || series.shown != series.open)) {
    series.shown = series.open;
    series.dirty = true;
  }
  series.committed = true;
  series.written = false;
}

void SeriesWriter::EndRound(int64_t time_ns) {
  {
    std::lock_guard lock(mutex_);
    for (uint32_t slot = 0; slot < series_.size(); ++slot) {
      Series& series = series_[slot];
      if (!series.live) {
        continue;
      }
      if (series.ending || (HadTurn(series.unit) && !series.written)) {
        Drop(slot);
      } else {
        Commit(series);
      }
    }
    turns_.clear();
    time_ns_ = time_ns;
    ++round_;
  }
  std::lock_guard lock(wake_mutex_);
  if (wake_) {
    wake_();
  }
}

void SeriesWriter::OnRound(std::function<void()> wake) {
  std::lock_guard lock(wake_mutex_);
  wake_ = std::move(wake);
}

uint64_t SeriesWriter::round() const {
  std::lock_guard lock(mutex_);
  return round_;
}

void SeriesWriter::NewStream() {
  std::lock_guard lock(mutex_);
  for (Series& series : series_) {
    series.id = 0;
  }
  ends_.clear();
  next_id_ = 1;
  taken_round_ = 0;
}

void SeriesWriter::TakeOne(Series& series, Splitter& out) {
  if (series.id == 0) {
    v1::SeriesAnnounce announce;
    announce.set_id(series.id = next_id_++);
    announce.set_unit(series.unit);
    announce.set_metric(series.metric);
    announce.mutable_label_values()->Add(series.labels.begin(), series.labels.end());
    if (series.has_container) {
      *announce.mutable_container() = series.container;
    }
    series.dirty = true;
    // The tag and length of a submessage take at most 6 bytes here.
    *out.Room(announce.ByteSizeLong() + 6).add_announce() = std::move(announce);
  }
  if (!std::exchange(series.dirty, false)) {
    return;
  }
  const Series::Reading& shown = series.shown;
  if (!series.histogram) {
    v1::Samples* samples = out.Room(kSampleBytes).mutable_samples();
    samples->add_ids(series.id);
    samples->add_values(shown.value);
    return;
  }
  v1::HistogramSample sample;
  sample.set_id(series.id);
  sample.mutable_cumulative()->Add(shown.cumulative.begin(), shown.cumulative.end());
  sample.set_sum(shown.value);
  sample.set_start_time_ns(shown.start_time_ns);
  *out.Room(sample.ByteSizeLong() + 6).mutable_samples()->add_histograms() = std::move(sample);
}

std::vector<v1::MetricBatch> SeriesWriter::Take() {
  std::lock_guard lock(mutex_);
  if (taken_round_ == round_) {
    return {};
  }
  taken_round_ = round_;
  Splitter out(round_, time_ns_);
  for (uint32_t id : ends_) {
    out.Room(kSampleBytes).add_end(id);
  }
  ends_.clear();
  for (Series& series : series_) {
    if (series.live && series.committed) {
      TakeOne(series, out);
    }
  }
  return out.Finish();
}

SeriesCounts SeriesWriter::Count() const {
  std::lock_guard lock(mutex_);
  return {.series = index_->slots.size(), .refused = refused_};
}

}  // namespace huatuo
