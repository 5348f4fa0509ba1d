#include "collector/series_gate.h"

#include <absl/hash/hash.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

namespace huatuo {
namespace {

constexpr std::string_view kOther = "~other";
constexpr std::array<std::string_view, 8> kOtherLabels = {kOther, kOther, kOther, kOther,
                                                          kOther, kOther, kOther, kOther};
// What one family may remember of the series beyond its limit: bounds what a runaway one costs. It
// is far more than a node may have in all.
constexpr size_t kMaxBeyond = 65536;

using Beginning = SeriesWriter::Beginning;
using Outcome = SeriesWriter::Outcome;

const v1::Container& OtherContainer() {
  static const v1::Container other = [] {
    v1::Container container;
    container.set_id(std::string(kOther));
    return container;
  }();
  return other;
}

uint64_t HashOf(const SeriesKey& key) {
  const std::hash<std::string_view> text;
  uint64_t hash = 0;
  for (const std::string_view label : key.label_values) hash = absl::HashOf(hash, text(label));
  if (key.container == nullptr) return hash;
  const v1::Container& c = *key.container;
  return absl::HashOf(hash, text(c.id()), text(c.name()), text(c.pod_uid()));
}

}  // namespace

SeriesGate::SeriesGate(SeriesWriter& series, std::span<const Unit* const> units, MetricRules rules,
                       size_t max_per_family)
    : series_(series),
      max_per_family_(max_per_family),
      rules_(std::move(rules)),
      families_(units.size()),
      turns_(units.size()) {
  for (size_t unit = 0; unit < units.size(); ++unit) {
    for (const MetricType& type : units[unit]->metrics) {
      families_[unit].emplace_back().type = &type;
    }
  }
}

MetricWriter& SeriesGate::Turn(size_t unit) {
  unit_ = unit;
  turns_[unit] = 1;
  series_.Ran(static_cast<uint32_t>(unit));
  for (Family& family : families_[unit]) {
    family.written = 0;
    if (family.type->type != v1::MetricType::COUNTER) family.other = 0;
  }
  return writer_;
}

SeriesKey SeriesGate::Key(size_t metric, std::span<const std::string_view> labels,
                          const v1::Container* container) const {
  return {static_cast<uint32_t>(unit_), static_cast<uint32_t>(metric), labels, container};
}

// False when the family has no room for the series. `live` may count some that end in this round:
// a new one then has to wait for the next.
template <typename Write>
bool SeriesGate::Pass(Family& family, const Write& write) {
  const bool room = std::max(family.live, family.written) < max_per_family_;
  const Outcome outcome = write(room ? Beginning::kAny : Beginning::kOnlyKnown);
  if (outcome == Outcome::kUnknown) return false;
  if (outcome == Outcome::kBegan) ++family.live;
  if (outcome != Outcome::kFull) ++family.written;
  return true;
}

void SeriesGate::Fold(Family& family, const SeriesKey& key, double value) {
  const uint64_t hash = HashOf(key);
  const auto known = family.beyond.find(hash);
  if (known == family.beyond.end() && family.beyond.size() >= kMaxBeyond) return;
  Beyond& beyond = family.beyond[hash];
  if (family.type->type == v1::MetricType::COUNTER) {
    // A value below the one before began anew.
    family.other += value < beyond.value ? value : value - beyond.value;
  } else if (family.type->name.ends_with("_ratio")) {
    family.other = std::max(family.other, value);
  } else {
    family.other += value;
  }
  beyond = {value, round_};
}

void SeriesGate::Writer::Set(size_t metric, std::span<const std::string_view> labels,
                             const v1::Container* container, double value) {
  if (!gate_.rules_.Sends(gate_.unit_, metric, labels)) return;
  Family& family = gate_.families_[gate_.unit_][metric];
  const SeriesKey key = gate_.Key(metric, labels, container);
  const bool passed = gate_.Pass(
      family, [&](Beginning beginning) { return gate_.series_.Set(key, value, beginning); });
  if (!passed) gate_.Fold(family, key, value);
}

void SeriesGate::Writer::SetHistogram(size_t metric, std::span<const std::string_view> labels,
                                      const v1::Container* container,
                                      std::span<const uint64_t> cumulative, double sum,
                                      int64_t start_time_ns) {
  if (!gate_.rules_.Sends(gate_.unit_, metric, labels)) return;
  Family& family = gate_.families_[gate_.unit_][metric];
  const SeriesKey key = gate_.Key(metric, labels, container);
  const bool passed = gate_.Pass(family, [&](Beginning beginning) {
    return gate_.series_.SetHistogram(key, {cumulative, sum, start_time_ns}, beginning);
  });
  if (!passed) gate_.Fold(family, key, sum);
}

void SeriesGate::EndFamily(size_t unit, size_t metric) {
  Family& family = families_[unit][metric];
  family.live = family.written;
  if (family.beyond.empty() && family.other == 0) return;
  absl::erase_if(family.beyond, [&](const auto& one) { return one.second.round != round_; });
  const bool counter = family.type->type == v1::MetricType::COUNTER;
  if (family.type->type == v1::MetricType::HISTOGRAM) return;
  // A counter that once was folded keeps what it counted.
  if (family.beyond.empty() && !counter) return;
  unit_ = unit;
  const std::span labels = std::span(kOtherLabels).first(family.type->labels.size());
  const SeriesKey key = Key(metric, labels, family.type->container ? &OtherContainer() : nullptr);
  series_.Set(key, family.other);
}

void SeriesGate::EndRound() {
  for (size_t unit = 0; unit < families_.size(); ++unit) {
    if (!std::exchange(turns_[unit], 0)) continue;
    for (size_t metric = 0; metric < families_[unit].size(); ++metric) EndFamily(unit, metric);
  }
  ++round_;
}

std::vector<FoldedFamily> SeriesGate::Folded() const {
  std::vector<FoldedFamily> folded;
  for (const auto& families : families_) {
    for (const Family& family : families) {
      if (!family.beyond.empty()) folded.push_back({family.type->name, family.beyond.size()});
    }
  }
  return folded;
}

}  // namespace huatuo
