// The newest value of every metric series of every connected node.
//
// Ingest writes, `/metrics` reads. A series belongs to a *session* (one stream of one node); the
// text of its labels is rendered when it is announced. A series disappears when it is ended,
// when it was not alive in 3 complete rounds of its node, or 60 s after its session closed; a new
// session of the same node that announces the same series takes it over without a break.
//
// Thread-safe: one lock a node, readers never block writers of other nodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/store/exemplar.h"
#include "apiserver/store/series_labels.h"
#include "common/clock.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// What the families of one metric have in common, whichever node sends them.
struct Family {
  std::string name;
  std::string help;
  v1::MetricType::Type type = v1::MetricType::TYPE_UNSPECIFIED;
  std::vector<double> bounds;  // of a histogram, without +Inf
};

// One series as a renderer sees it; valid only during the visit.
struct SeriesView {
  std::string_view labels;  // `node="a",region="b",…`, escaped, without braces
  double value = 0;         // not of histograms
  std::span<const uint64_t> cumulative;
  double sum = 0;
  int64_t start_time_ns = 0;  // 0: not known
  int64_t time_ns = 0;  // the node's sample time; by the server's clock when it is a minute off
  // None; of a histogram one for each of `cumulative`, of a counter one. Those without an event are
  // none.
  std::span<const Exemplar> exemplars = {};
};

// What the series of containers are told to belong to.
struct SeriesPods {
  const PodIndex* index = nullptr;  // null: there is no cluster
  PodLabelNames labels;
};

// What one reader goes through at its own pace: the families and nodes that there were at one
// moment. A series that comes or goes in the meantime may be seen or not. Thread-safe; the table
// must outlive it.
class SeriesSelection {
 public:
  // In order of name.
  const std::vector<std::shared_ptr<const Family>>& families() const { return families_; }
  size_t nodes() const { return nodes_.size(); }

  // Visits the series that `node`, of nodes(), has of `family`, in order of their labels. Writers
  // of that node wait meanwhile.
  void Visit(const Family& family, size_t node,
             const std::function<void(const Family&, const SeriesView&)>& visit) const;

 private:
  friend class SeriesTable;
  struct Node;
  std::vector<std::shared_ptr<const Family>> families_;
  std::vector<std::shared_ptr<Node>> nodes_;
};

// When a pod becomes known, or its labels change, its series go on under their new text within a
// second, or ten.
class SeriesTable {
 public:
  // `max_series_per_node`: announcements beyond it are refused and counted.
  SeriesTable(const Clock& clock, size_t max_series_per_node, SeriesPods pods = {});
  ~SeriesTable();

  // A stream of `node` begins; the session number is its fencing number. An older session of the
  // node can no longer write. `muted` are indexes of units of the catalog whose series are accepted
  // and not kept.
  void Open(const std::string& node, const std::string& region, uint64_t session,
            std::shared_ptr<const v1::Catalog> catalog, std::vector<uint32_t> muted = {});
  void Close(const std::string& node, uint64_t session);
  // Another apiserver has the series of the node now: they end here at once.
  void Forget(const std::string& node);

  // InvalidArgument, with the field, when the batch breaks a rule of the proto: unknown id, metric
  // or unit, wrong number of labels, buckets or values, decreasing cumulative counts. Aborted when
  // `session` is not the newest of the node.
  absl::Status Apply(const std::string& node, uint64_t session, const v1::MetricBatch& batch);

  // Gives the series that count what the events are examples of the newest one for each bucket.
  // What has no such series is left out.
  void Exemplify(const std::string& node, const std::vector<ExemplarOf>& exemplars);

  // Calls `family` once for each metric in order of name, and `series` for each of its series.
  // `node` empty: of all nodes.
  void Visit(std::string_view node, const std::function<void(const Family&)>& family,
             const std::function<void(const Family&, const SeriesView&)>& series) const;

  // The nodes whose names are `wanted`; an empty function: all.
  SeriesSelection Select(const std::function<bool(std::string_view node)>& wanted) const;

  // Drops what has not been alive for too long; called about once a second.
  void Sweep();

  struct Counts {
    uint64_t series = 0;
    uint64_t samples = 0;         // since the start
    uint64_t refused_series = 0;  // beyond the limit
    uint64_t conflicting = 0;     // a family whose type another node announced differently
    uint64_t duplicates = 0;      // two ids of one session with the same labels; the first is kept
    uint64_t muted = 0;           // of units that are refused
  };
  Counts counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace huatuo
