#include "apiserver/store/series.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "apiserver/store/node_series.h"
#include "apiserver/store/series_labels.h"

namespace huatuo {
namespace {

std::shared_ptr<const Family> MakeFamily(const v1::MetricType& metric) {
  auto family = std::make_shared<Family>();
  family->name = metric.name();
  family->help = metric.help();
  family->type = metric.type();
  if (metric.type() != v1::MetricType::HISTOGRAM) return family;
  for (uint32_t i = 0; i < metric.buckets(); ++i) {
    family->bounds.push_back(std::ldexp(metric.first_bound(), static_cast<int>(i)));
  }
  return family;
}

bool SameShape(const Family& family, const v1::MetricType& metric) {
  if (family.type != metric.type()) return false;
  if (family.type != v1::MetricType::HISTOGRAM) return true;
  return family.bounds.size() == metric.buckets() && family.bounds.front() == metric.first_bound();
}

void Add(SeriesTable::Counts& sum, const SeriesTable::Counts& more) {
  sum.series += more.series;
  sum.samples += more.samples;
  sum.refused_series += more.refused_series;
  sum.conflicting += more.conflicting;
  sum.duplicates += more.duplicates;
  sum.muted += more.muted;
}

}  // namespace

struct SeriesSelection::Node {
  Node(size_t max_series, const SeriesPods& pods, FamilyOf family_of)
      : series(max_series, pods, std::move(family_of)) {}
  mutable std::shared_mutex mutex;
  NodeSeries series;
};

void SeriesSelection::Visit(
    const Family& family, size_t node,
    const std::function<void(const Family&, const SeriesView&)>& visit) const {
  const std::shared_lock lock(nodes_[node]->mutex);
  nodes_[node]->series.Visit(family, visit);
}

// Order of locks: mutex, one node's, families_mutex.
struct SeriesTable::State {
  using LockedNode = SeriesSelection::Node;
  State(const Clock& the_clock, size_t max, SeriesPods the_pods)
      : clock(the_clock), max_series(max), pods(std::move(the_pods)) {}

  std::shared_ptr<LockedNode> Find(const std::string& node) const {
    const std::shared_lock lock(mutex);
    const auto found = nodes.find(node);
    return found == nodes.end() ? nullptr : found->second;
  }

  std::shared_ptr<const Family> FamilyFor(const v1::MetricType& metric) {
    const std::lock_guard lock(families_mutex);
    std::shared_ptr<const Family>& slot = families[metric.name()];
    if (!slot) slot = MakeFamily(metric);
    return SameShape(*slot, metric) ? slot : nullptr;
  }

  std::vector<std::shared_ptr<LockedNode>> Select(
      const std::function<bool(std::string_view)>& wanted) const {
    std::vector<std::shared_ptr<LockedNode>> selected;
    const std::shared_lock lock(mutex);
    for (const auto& [name, series] : nodes) {
      if (!wanted || wanted(name)) selected.push_back(series);
    }
    return selected;
  }

  std::vector<std::shared_ptr<const Family>> Families() const {
    std::vector<std::shared_ptr<const Family>> all;
    const std::lock_guard lock(families_mutex);
    all.reserve(families.size());
    for (const auto& [name, family] : families) all.push_back(family);
    return all;
  }

  const Clock& clock;
  const size_t max_series;
  const SeriesPods pods;
  mutable std::shared_mutex mutex;
  std::map<std::string, std::shared_ptr<LockedNode>, std::less<>> nodes;
  Counts gone;  // what nodes that are no longer in `nodes` had counted
  mutable std::mutex families_mutex;
  std::map<std::string, std::shared_ptr<const Family>> families;
};

SeriesTable::SeriesTable(const Clock& clock, size_t max_series_per_node, SeriesPods pods)
    : state_(std::make_unique<State>(clock, max_series_per_node, std::move(pods))) {}

SeriesTable::~SeriesTable() = default;

void SeriesTable::Open(const std::string& node, const std::string& region, uint64_t session,
                       std::shared_ptr<const v1::Catalog> catalog, std::vector<uint32_t> muted) {
  // Under the table's lock, so that a sweep does not forget the node in between.
  const std::unique_lock table_lock(state_->mutex);
  std::shared_ptr<State::LockedNode>& slot = state_->nodes[node];
  if (!slot) {
    slot = std::make_shared<State::LockedNode>(
        state_->max_series, state_->pods,
        [state = state_.get()](const v1::MetricType& metric) { return state->FamilyFor(metric); });
  }
  const std::unique_lock lock(slot->mutex);
  slot->series.Open(NodeLabels(node, region), session, std::move(catalog), std::move(muted),
                    state_->clock.BootNs());
}

void SeriesTable::Close(const std::string& node, uint64_t session) {
  const auto found = state_->Find(node);
  if (!found) return;
  const std::unique_lock lock(found->mutex);
  found->series.Close(session, state_->clock.BootNs());
}

void SeriesTable::Forget(const std::string& node) {
  const std::unique_lock table_lock(state_->mutex);
  const auto found = state_->nodes.find(node);
  if (found == state_->nodes.end()) return;
  {
    const std::shared_lock lock(found->second->mutex);
    Add(state_->gone, found->second->series.counts());
  }
  state_->nodes.erase(found);
}

absl::Status SeriesTable::Apply(const std::string& node, uint64_t session,
                                const v1::MetricBatch& batch) {
  const auto found = state_->Find(node);
  if (!found) return absl::AbortedError("metrics of a node without a session");
  const std::unique_lock lock(found->mutex);
  return found->series.Apply(session, batch, state_->clock.WallNs());
}

void SeriesTable::Exemplify(const std::string& node, const std::vector<ExemplarOf>& exemplars) {
  const auto found = exemplars.empty() ? nullptr : state_->Find(node);
  if (!found) return;
  const std::unique_lock lock(found->mutex);
  for (const ExemplarOf& one : exemplars) found->series.Exemplify(one);
}

void SeriesTable::Visit(std::string_view node, const std::function<void(const Family&)>& family,
                        const std::function<void(const Family&, const SeriesView&)>& series) const {
  const SeriesSelection selection =
      Select([&](std::string_view name) { return node.empty() || name == node; });
  for (const auto& one : selection.families()) {
    bool told = false;
    const auto visit = [&](const Family& which, const SeriesView& view) {
      if (!std::exchange(told, true)) family(which);
      series(which, view);
    };
    for (size_t i = 0; i < selection.nodes(); ++i) selection.Visit(*one, i, visit);
  }
}

SeriesSelection SeriesTable::Select(
    const std::function<bool(std::string_view node)>& wanted) const {
  SeriesSelection selection;
  selection.nodes_ = state_->Select(wanted);
  selection.families_ = state_->Families();
  return selection;
}

void SeriesTable::Sweep() {
  const int64_t now_ns = state_->clock.BootNs();
  for (const auto& locked : state_->Select({})) {
    const std::unique_lock lock(locked->mutex);
    locked->series.Sweep(now_ns);
  }
  {
    const std::unique_lock table_lock(state_->mutex);
    std::erase_if(state_->nodes, [this](const auto& item) {
      const std::shared_lock lock(item.second->mutex);
      if (!item.second->series.idle()) return false;
      Add(state_->gone, item.second->series.counts());
      return true;
    });
  }
  const std::lock_guard lock(state_->families_mutex);
  // Held by the registry alone: no node has a series of it, and the next to come defines it anew.
  std::erase_if(state_->families, [](const auto& item) { return item.second.use_count() == 1; });
}

SeriesTable::Counts SeriesTable::counts() const {
  const std::shared_lock table_lock(state_->mutex);
  Counts sum = state_->gone;
  for (const auto& [name, locked] : state_->nodes) {
    const std::shared_lock lock(locked->mutex);
    Add(sum, locked->series.counts());
  }
  return sum;
}

}  // namespace huatuo
