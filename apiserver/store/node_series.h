// The series of one node. Not thread-safe; SeriesTable holds the lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "apiserver/store/ordered_series.h"
#include "apiserver/store/series.h"
#include "apiserver/store/series_subjects.h"

namespace huatuo {

// Gives the family of a metric, shared by all nodes; null when another node declared it
// differently.
using FamilyOf = std::function<std::shared_ptr<const Family>(const v1::MetricType&)>;

class NodeSeries {
 public:
  // `pods` must outlive the object.
  NodeSeries(size_t max_series, const SeriesPods& pods, FamilyOf family_of)
      : max_series_(max_series), family_of_(std::move(family_of)), subjects_(pods) {}

  void Open(std::string_view node_labels, uint64_t session,
            std::shared_ptr<const v1::Catalog> catalog, std::vector<uint32_t> muted,
            int64_t now_ns);
  void Close(uint64_t session, int64_t now_ns);
  // `wall_ns`: the server's clock, which replaces that of a node whose own is far off.
  absl::Status Apply(uint64_t session, const v1::MetricBatch& batch, int64_t wall_ns);
  void Exemplify(const ExemplarOf& one);
  void Visit(const Family& family,
             const std::function<void(const Family&, const SeriesView&)>& visit) const;
  void Sweep(int64_t now_ns);

  // Nothing is left of a node that is not connected.
  bool idle() const { return closed_ns_ >= 0 && families_.empty(); }
  SeriesTable::Counts counts() const;

 private:
  struct Series {
    std::string labels;
    double value = 0;
    int64_t time_ns = 0;
    uint64_t sampled_round = 0;  // completed_ when the value came
    uint64_t lost_round = 0;     // completed_ when its session was replaced
    int64_t lost_ns = 0;
    uint32_t id = 0;
    uint32_t container_size = 0;  // of the container's part of the text
    bool owned = false;           // announced by the present session
    bool sampled = false;
    int64_t start_time_ns = 0;
    std::vector<uint64_t> cumulative;
    std::unique_ptr<std::vector<Exemplar>> exemplars;  // few series have any
  };
  struct FamilySeries {
    std::shared_ptr<const Family> family;
    OrderedSeries<Series> series;
  };
  // Where the samples of an announced id go: nowhere when the series is not kept.
  struct Target {
    const v1::MetricType* metric = nullptr;
    FamilySeries* family = nullptr;
    Series* series = nullptr;
    SeriesSubjects::Subject* subject = nullptr;
  };

  absl::Status Announce(const v1::SeriesAnnounce& announce);
  absl::Status Keep(const v1::SeriesAnnounce& announce, Target& target);
  absl::Status Place(const v1::SeriesAnnounce& announce, std::string_view container,
                     Target& target);
  std::string UnnamedPod(const Target& target);
  void Relabel(SeriesSubjects::Subject& subject);
  bool Rename(Target& target);
  void Forget(uint32_t id, const Target& target);
  FamilySeries* FindFamily(const v1::MetricType& metric);
  absl::Status End(uint32_t id);
  absl::Status Sample(const v1::Samples& samples);
  absl::Status SampleHistogram(const v1::HistogramSample& sample, int64_t time_ns);
  void Trust(int64_t sample_ns, int64_t wall_ns);
  int64_t Corrected(int64_t node_ns) const;
  void Stamp(Series& series, int64_t time_ns);
  void Erase(FamilySeries& family, const Series& series);
  void Gone(const Series& series);
  bool Expired(const Series& series, int64_t now_ns) const;

  const size_t max_series_;
  const FamilyOf family_of_;
  std::string node_labels_;
  uint64_t session_ = 0;
  int64_t closed_ns_ = -1;  // -1: the session is open
  std::shared_ptr<const v1::Catalog> catalog_;
  std::vector<uint32_t> muted_;
  int64_t offset_ns_ = 0;          // from the node's clock to the server's; 0: the node's is good
  uint64_t completed_ = 0;         // complete rounds of this node, over all sessions
  int64_t completed_time_ns_ = 0;  // sample time of the newest complete round of this session
  std::map<std::string, FamilySeries, std::less<>> families_;
  // The same, for who goes through all nodes family by family.
  absl::flat_hash_map<const Family*, const FamilySeries*> by_family_;
  absl::flat_hash_map<uint32_t, Target> targets_;
  absl::flat_hash_map<const v1::MetricType*, FamilySeries*> found_families_;  // of catalog_
  SeriesSubjects subjects_;                                                   // of targets_
  size_t series_ = 0;
  size_t lost_ = 0;  // of these, those that the present session does not own
  SeriesTable::Counts counts_;
};

}  // namespace huatuo
