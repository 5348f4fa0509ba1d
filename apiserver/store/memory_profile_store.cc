#include "apiserver/store/memory_profile_store.h"

#include <algorithm>

#include "apiserver/store/filter.h"
#include "apiserver/store/profile_filter.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

uint64_t Bytes(const NewProfile& profile) {
  uint64_t bytes = sizeof(StoredProfile) + profile.blob.size() + profile.row.document.size();
  for (const SubjectRow& s : profile.row.containers) {
    bytes += sizeof(s) + s.container_id.size() + s.container_name.size() + s.pod_uid.size();
  }
  return bytes;
}

}  // namespace

absl::StatusOr<uint64_t> MemoryProfileStore::Append(std::span<const ProfileCommit> commits) {
  const std::lock_guard lock(mutex_);
  uint64_t added = 0;
  for (const ProfileCommit& commit : commits) added += AppendOne(commit);
  return added;
}

uint64_t MemoryProfileStore::AppendOne(const ProfileCommit& commit) {
  Mark& mark = marks_[{commit.node, commit.epoch}];
  const uint64_t before = mark.high_water;
  mark.high_water = std::max(before, commit.high_water);
  mark.uploaded_ns = std::max(mark.uploaded_ns, commit.uploaded_ns);
  uint64_t added = 0;
  for (const NewProfile& profile : commit.profiles) {
    if (profile.row.sequence <= before) continue;
    mark.high_water = std::max(mark.high_water, profile.row.sequence);
    added += Insert(commit, profile) ? 1 : 0;
  }
  for (const ProfileGap& gap : commit.gaps) {
    if (gap.last_sequence <= before) continue;
    mark.high_water = std::max(mark.high_water, gap.last_sequence);
    gaps_.emplace(commit.uploaded_ns, Gap{commit.node, gap});
  }
  return added;
}

bool MemoryProfileStore::Insert(const ProfileCommit& commit, const NewProfile& added) {
  const bool is_new = by_id_.try_emplace(added.row.id, last_position_ + 1).second;
  if (!is_new) return false;
  Entry entry{{++last_position_, added.row, commit.node, commit.uploaded_ns, added.blob.size()},
              added.blob,
              Bytes(added)};
  bytes_ += entry.size;
  entries_.emplace_hint(entries_.end(), last_position_, std::move(entry));
  return true;
}

absl::StatusOr<uint64_t> MemoryProfileStore::HighWater(std::string_view node,
                                                       std::string_view epoch) {
  const std::lock_guard lock(mutex_);
  const auto found = marks_.find({std::string(node), std::string(epoch)});
  return found == marks_.end() ? 0 : found->second.high_water;
}

absl::StatusOr<std::vector<StoredProfile>> MemoryProfileStore::Query(const ProfileFilter& filter,
                                                                     uint64_t before,
                                                                     size_t limit) {
  RETURN_IF_ERROR(CheckCursor(before));
  std::vector<StoredProfile> found;
  const std::lock_guard lock(mutex_);
  auto at = before == 0 ? entries_.end() : entries_.lower_bound(before);
  while (at != entries_.begin() && found.size() < limit) {
    const StoredProfile& profile = (--at)->second.profile;
    if (Matches(filter, profile.row, profile.node)) found.push_back(profile);
  }
  return found;
}

const MemoryProfileStore::Entry* MemoryProfileStore::Find(std::string_view id) const {
  const auto found = by_id_.find(std::string(id));
  return found == by_id_.end() ? nullptr : &entries_.at(found->second);
}

absl::StatusOr<std::optional<StoredProfile>> MemoryProfileStore::Get(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const Entry* entry = Find(id);
  if (entry == nullptr) return std::nullopt;
  return entry->profile;
}

absl::StatusOr<std::optional<std::string>> MemoryProfileStore::Blob(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const Entry* entry = Find(id);
  if (entry == nullptr) return std::nullopt;
  return entry->blob;
}

absl::StatusOr<uint64_t> MemoryProfileStore::Missing(std::string_view node,
                                                     std::optional<int64_t> from_ns,
                                                     std::optional<int64_t> to_ns) {
  const std::lock_guard lock(mutex_);
  uint64_t missing = 0;
  for (const auto& [uploaded_ns, each] : gaps_) {
    const ProfileGap& gap = each.gap;
    const bool has_time = gap.from_ns != 0 || gap.to_ns != 0;
    if (!node.empty() && node != each.node) continue;
    if (has_time && !Touches(gap.from_ns, gap.to_ns, from_ns, to_ns)) continue;
    missing += gap.last_sequence - gap.first_sequence + 1;
  }
  return missing;
}

absl::StatusOr<uint64_t> MemoryProfileStore::Prune(const Retention& retention, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  const size_t before = entries_.size();
  if (retention.max_age_ns > 0) PruneAge(now_ns - retention.max_age_ns);
  while (retention.max_bytes > 0 && bytes_ > retention.max_bytes && !entries_.empty()) {
    const int64_t uploaded_ns = entries_.begin()->second.profile.uploaded_ns;
    Erase(entries_.begin());
    gaps_.erase(gaps_.begin(), gaps_.upper_bound(uploaded_ns));
  }
  return before - entries_.size();
}

void MemoryProfileStore::PruneAge(int64_t before_ns) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    at = at->second.profile.uploaded_ns < before_ns ? Erase(at) : std::next(at);
  }
  gaps_.erase(gaps_.begin(), gaps_.lower_bound(before_ns));
  std::map<std::string, int64_t> newest;
  for (const auto& [key, mark] : marks_) {
    newest[key.first] = std::max(newest[key.first], mark.uploaded_ns);
  }
  std::erase_if(marks_, [&](const auto& entry) {
    const int64_t uploaded_ns = entry.second.uploaded_ns;
    return uploaded_ns < before_ns && uploaded_ns < newest[entry.first.first];
  });
}

MemoryProfileStore::Entries::iterator MemoryProfileStore::Erase(Entries::iterator entry) {
  bytes_ -= entry->second.size;
  by_id_.erase(entry->second.profile.row.id);
  return entries_.erase(entry);
}

absl::StatusOr<ProfileUse> MemoryProfileStore::Use() {
  const std::lock_guard lock(mutex_);
  return ProfileUse{entries_.size(), bytes_};
}

}  // namespace huatuo
