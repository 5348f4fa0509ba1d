#include "apiserver/store/memory_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "common/status.h"

namespace huatuo {
namespace {

bool Matches(const TaskFilter& filter, const TaskRow& row) {
  return (!filter.open || row.ended_ns == 0) &&
         (filter.state.empty() || filter.state == row.state) &&
         (filter.tool.empty() || filter.tool == row.tool);
}

}  // namespace

absl::Status StaleTask(const TaskRow& row, uint64_t stored) {
  const std::string reason =
      fmt::format("task {}: saved from version {}, stored is {}", row.id, row.version, stored);
  return absl::AbortedError({reason.data(), reason.size()});
}

absl::Status MemoryTasks::Save(TaskRow& row) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(row.id);
  const uint64_t stored = found == by_id_.end() ? 0 : rows_[found->second].version;
  if (stored != row.version) return StaleTask(row, stored);
  row.position = found == by_id_.end() ? ++last_position_ : found->second;
  row.version = stored + 1;
  by_id_[row.id] = row.position;
  rows_[row.position] = row;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TaskRow>> MemoryTasks::Find(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return std::nullopt;
  return rows_[found->second];
}

absl::StatusOr<std::vector<TaskRow>> MemoryTasks::List(const TaskFilter& filter, uint64_t before,
                                                       size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<TaskRow> found;
  auto at = before == 0 ? rows_.end() : rows_.lower_bound(before);
  while (at != rows_.begin() && found.size() < limit) {
    if (Matches(filter, (--at)->second)) found.push_back(at->second);
  }
  return found;
}

absl::Status MemoryTasks::Prune(int64_t ended_ns) {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<int64_t, uint64_t>> ended;  // (when, position)
  for (const auto& [position, row] : rows_) {
    if (row.ended_ns != 0) ended.emplace_back(row.ended_ns, position);
  }
  std::sort(ended.begin(), ended.end());
  for (size_t i = 0; i < ended.size(); ++i) {
    if (ended[i].first >= ended_ns && ended.size() - i <= kMaxEnded) break;
    const auto row = rows_.find(ended[i].second);
    by_id_.erase(row->second.id);
    rows_.erase(row);
  }
  return absl::OkStatus();
}

}  // namespace huatuo
