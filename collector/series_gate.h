// Between the units and the series: what the rules let pass, and how many of one family.
//
// A family that has as many series as it may is not cut off: what comes beyond is folded into one
// more series whose labels, and container, are `~other`. Of counters that series tells the sum of
// all increases, so that it never goes back; of gauges the sum, of ratios the largest. Histograms
// beyond the limit are counted only. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "collector/instance.h"
#include "collector/metric_rules.h"
#include "collector/self_report.h"
#include "collector/ship/series.h"

namespace huatuo {

class SeriesGate {
 public:
  // Keeps a reference to `series`.
  SeriesGate(SeriesWriter& series, std::span<const Unit* const> units, MetricRules rules,
             size_t max_per_family);

  // For the unit's turn in this round; valid until the next call.
  MetricWriter& Turn(size_t unit);

  // Before SeriesWriter::EndRound: writes the `~other` series of the units that had their turn.
  void EndRound();

  // The families that were folded in the newest round.
  std::vector<FoldedFamily> Folded() const;

 private:
  // A series beyond the limit, by the hash of its labels and container.
  struct Beyond {
    double value = 0;
    uint64_t round = 0;
  };
  struct Family {
    const MetricType* type = nullptr;
    size_t live = 0;     // series that were written in its last turn
    size_t written = 0;  // in this one
    absl::flat_hash_map<uint64_t, Beyond> beyond;
    double other = 0;
  };
  class Writer : public MetricWriter {
   public:
    explicit Writer(SeriesGate& gate) : gate_(gate) {}
    bool Wants(size_t metric) const override { return gate_.rules_.SendsAny(gate_.unit_, metric); }
    void Set(size_t metric, std::span<const std::string_view> labels,
             const v1::Container* container, double value) override;
    void SetHistogram(size_t metric, std::span<const std::string_view> labels,
                      const v1::Container* container, std::span<const uint64_t> cumulative,
                      double sum, int64_t start_time_ns) override;

   private:
    SeriesGate& gate_;
  };

  SeriesKey Key(size_t metric, std::span<const std::string_view> labels,
                const v1::Container* container) const;
  template <typename Write>
  bool Pass(Family& family, const Write& write);
  void Fold(Family& family, const SeriesKey& key, double value);
  void EndFamily(size_t unit, size_t metric);

  SeriesWriter& series_;
  const size_t max_per_family_;
  MetricRules rules_;
  std::vector<std::vector<Family>> families_;  // by unit and metric
  std::vector<char> turns_;                    // by unit: had its turn in this round
  size_t unit_ = 0;
  uint64_t round_ = 1;
  Writer writer_{*this};
};

}  // namespace huatuo
