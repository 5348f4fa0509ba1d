#include "apiserver/store/memory_store.h"

#include <algorithm>

#include "apiserver/store/duplicate.h"
#include "apiserver/store/event_counts.h"
#include "apiserver/store/filter.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

uint64_t Bytes(const StoredEvent& event) {
  const EventRow& row = event.row;
  uint64_t bytes = sizeof(event) + event.node.size() + 2 * row.tracer_id.size() +
                   row.tracer_name.size() + row.task_id.size() + row.document.size();
  for (const SubjectRow& s : row.subjects) {
    bytes += sizeof(s) + s.role.size() + s.container_id.size() + s.container_name.size() +
             s.namespace_name.size() + s.pod_name.size() + s.pod_uid.size();
  }
  return bytes;
}

uint64_t Bytes(const RejectedRow& row) {
  return sizeof(row) + row.reason.size() + row.entry.size();
}

}  // namespace

absl::StatusOr<uint64_t> MemoryStore::Append(std::span<const NodeCommit> commits) {
  const std::lock_guard lock(mutex_);
  uint64_t added = 0;
  for (const NodeCommit& commit : commits) added += AppendOne(commit);
  return added;
}

uint64_t MemoryStore::AppendOne(const NodeCommit& commit) {
  Mark& mark = marks_[{commit.node, commit.epoch}];
  const uint64_t before = mark.high_water;
  mark.high_water = std::max(before, commit.high_water);
  mark.uploaded_ns = std::max(mark.uploaded_ns, commit.uploaded_ns);
  uint64_t added = 0;
  for (const EventRow& event : commit.events) {
    if (event.sequence <= before) continue;
    mark.high_water = std::max(mark.high_water, event.sequence);
    added += Insert(commit, event) ? 1 : 0;
  }
  for (const RejectedRow& row : commit.rejected) {
    if (row.sequence <= before) continue;
    mark.high_water = std::max(mark.high_water, row.sequence);
    Reject(commit, row);
  }
  return added;
}

bool MemoryStore::Insert(const NodeCommit& commit, const EventRow& event) {
  const auto found = by_tracer_id_.find(event.tracer_id);
  if (found != by_tracer_id_.end()) {
    const StoredEvent& stored = *found->second;
    if (!SameEvent(stored, commit.node, event)) Reject(commit, DuplicateId(event, stored.position));
    return false;
  }
  auto row = std::make_shared<const StoredEvent>(
      StoredEvent{++last_position_, event, commit.node, commit.uploaded_ns});
  bytes_ += Bytes(*row);
  by_tracer_id_.emplace(row->row.tracer_id, row);
  rows_.emplace_hint(rows_.end(), last_position_, std::move(row));
  return true;
}

void MemoryStore::Reject(const NodeCommit& commit, RejectedRow row) {
  bytes_ += Bytes(row);
  refusals_.emplace(commit.uploaded_ns, Refusal{commit.node, commit.uploaded_ns, std::move(row)});
}

absl::StatusOr<uint64_t> MemoryStore::HighWater(std::string_view node, std::string_view epoch) {
  const std::lock_guard lock(mutex_);
  const auto found = marks_.find({std::string(node), std::string(epoch)});
  return found == marks_.end() ? 0 : found->second.high_water;
}

// Rows are taken a few at a time, so that a search never holds up an append for long.
std::vector<MemoryStore::Row> MemoryStore::Beyond(uint64_t after, Order order) const {
  constexpr size_t kRows = 1024;
  std::vector<Row> found;
  const std::lock_guard lock(mutex_);
  if (order == Order::kOldestFirst) {
    auto at = rows_.upper_bound(after);
    for (; at != rows_.end() && found.size() < kRows; ++at) found.push_back(at->second);
  } else {
    auto at = after == 0 ? rows_.end() : rows_.lower_bound(after);
    while (at != rows_.begin() && found.size() < kRows) found.push_back((--at)->second);
  }
  return found;
}

absl::StatusOr<std::vector<StoredEvent>> MemoryStore::Query(const EventFilter& filter, Order order,
                                                            uint64_t after, size_t limit) {
  RETURN_IF_ERROR(CheckCursor(after));
  const Matcher matcher(filter);
  std::vector<StoredEvent> found;
  std::vector<Row> rows = Beyond(after, order);
  while (!rows.empty() && found.size() < limit) {
    for (const Row& row : rows) {
      if (found.size() < limit && matcher.Matches(row->row, row->node)) found.push_back(*row);
    }
    rows = Beyond(rows.back()->position, order);
  }
  return found;
}

absl::StatusOr<std::vector<EventCount>> MemoryStore::Count(const EventFilter& filter,
                                                           int64_t step_ns) {
  const Matcher matcher(filter);
  EventCounts counts(step_ns);
  std::vector<Row> rows = Beyond(0, Order::kOldestFirst);
  while (!rows.empty()) {
    for (const Row& row : rows) {
      if (!matcher.Matches(row->row, row->node)) continue;
      counts.Add(row->row.tracer_time_ns, row->row.tracer_name);
    }
    rows = Beyond(rows.back()->position, Order::kOldestFirst);
  }
  return counts.Take();
}

absl::StatusOr<std::optional<StoredEvent>> MemoryStore::Get(std::string_view tracer_id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_tracer_id_.find(tracer_id);
  if (found == by_tracer_id_.end()) return std::nullopt;
  return *found->second;
}

absl::StatusOr<uint64_t> MemoryStore::Newest() {
  const std::lock_guard lock(mutex_);
  return rows_.empty() ? 0 : rows_.rbegin()->first;
}

absl::StatusOr<std::vector<RejectedRow>> MemoryStore::Rejected(std::string_view node,
                                                               size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<RejectedRow> found;
  for (auto at = refusals_.rbegin(); at != refusals_.rend() && found.size() < limit; ++at) {
    if (node.empty() || node == at->second.node) found.push_back(at->second.row);
  }
  return found;
}

absl::Status MemoryStore::Put(std::string_view kind, std::string_view key, std::string_view value) {
  const std::lock_guard lock(mutex_);
  facts_[{std::string(kind), std::string(key)}] = value;
  return absl::OkStatus();
}

absl::StatusOr<bool> MemoryStore::Swap(std::string_view kind, std::string_view key,
                                       std::optional<std::string_view> expected,
                                       std::string_view value) {
  const std::lock_guard lock(mutex_);
  Pair place{std::string(kind), std::string(key)};
  const auto found = facts_.find(place);
  if (found == facts_.end()) {
    if (!expected.has_value()) facts_.emplace(std::move(place), value);
    return !expected.has_value();
  }
  if (!expected.has_value() || found->second != *expected) return false;
  found->second = value;
  return true;
}

absl::StatusOr<std::optional<std::string>> MemoryStore::Fact(std::string_view kind,
                                                             std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = facts_.find({std::string(kind), std::string(key)});
  if (found == facts_.end()) return std::nullopt;
  return found->second;
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> MemoryStore::Facts(
    std::string_view kind) {
  const std::lock_guard lock(mutex_);
  std::vector<Pair> found;
  auto at = facts_.lower_bound({std::string(kind), ""});
  for (; at != facts_.end() && at->first.first == kind; ++at) {
    found.emplace_back(at->first.second, at->second);
  }
  return found;
}

absl::StatusOr<uint64_t> MemoryStore::Prune(const Retention& retention, int64_t now_ns) {
  RETURN_IF_ERROR(tasks_.Prune(retention.max_age_ns > 0 ? now_ns - retention.max_age_ns : 0));
  const std::lock_guard lock(mutex_);
  const size_t before = rows_.size();
  if (retention.max_age_ns > 0) PruneAge(now_ns - retention.max_age_ns);
  if (retention.max_bytes > 0) PruneSize(retention.max_bytes);
  return before - rows_.size();
}

void MemoryStore::PruneAge(int64_t before_ns) {
  for (auto at = rows_.begin(); at != rows_.end();) {
    at = at->second->uploaded_ns < before_ns ? Erase(at) : std::next(at);
  }
  EraseRefusals(before_ns - 1);
  absl::flat_hash_map<std::string, int64_t> newest;
  for (const auto& [key, mark] : marks_) {
    newest[key.first] = std::max(newest[key.first], mark.uploaded_ns);
  }
  std::erase_if(marks_, [&](const auto& entry) {
    const int64_t uploaded_ns = entry.second.uploaded_ns;
    return uploaded_ns < before_ns && uploaded_ns < newest[entry.first.first];
  });
}

void MemoryStore::PruneSize(uint64_t max_bytes) {
  while (bytes_ > max_bytes && !rows_.empty()) {
    const int64_t uploaded_ns = rows_.begin()->second->uploaded_ns;
    Erase(rows_.begin());
    EraseRefusals(uploaded_ns);
  }
  while (bytes_ > max_bytes && !refusals_.empty()) EraseRefusals(refusals_.begin()->first);
}

MemoryStore::Rows::iterator MemoryStore::Erase(Rows::iterator row) {
  bytes_ -= Bytes(*row->second);
  by_tracer_id_.erase(row->second->row.tracer_id);
  return rows_.erase(row);
}

void MemoryStore::EraseRefusals(int64_t until_ns) {
  const auto end = refusals_.upper_bound(until_ns);
  for (auto at = refusals_.begin(); at != end; ++at) bytes_ -= Bytes(at->second.row);
  refusals_.erase(refusals_.begin(), end);
}

absl::StatusOr<StoreUse> MemoryStore::Use() {
  const std::lock_guard lock(mutex_);
  StoreUse use{rows_.size(), bytes_, 0};
  for (const auto& [position, row] : rows_) {
    if (use.oldest_uploaded_ns == 0 || row->uploaded_ns < use.oldest_uploaded_ns) {
      use.oldest_uploaded_ns = row->uploaded_ns;
    }
  }
  return use;
}

}  // namespace huatuo
