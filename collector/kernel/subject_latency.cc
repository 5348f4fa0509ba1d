#include "collector/kernel/subject_latency.h"

#include <bpf/bpf.h>

#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace huatuo {
namespace {

// A container's cgroup may be seen here before the container is known; the host's own cgroups leave
// the map after so many rounds, to make room.
constexpr uint32_t kUnknownRounds = 4;

void AddChange(const latency& now, const latency& before, latency* to) {
  for (size_t i = 0; i < LATENCY_BUCKETS; ++i) to->bucket[i] += now.bucket[i] - before.bucket[i];
  to->sum_ns += now.sum_ns - before.sum_ns;
}

}  // namespace

SubjectLatencies::SubjectLatencies(const BpfObject& object, Context& context)
    : object_(object), context_(context) {}

void SubjectLatencies::Read() {
  const int map = object_.MapFd("subjects");
  std::vector<std::pair<subject_key, latency>> entries;
  subject_key key{};
  latency value{};
  for (const subject_key* last = nullptr; bpf_map_get_next_key(map, last, &key) == 0; last = &key) {
    // A walk that meets a removed key begins anew: the map's size bounds it.
    if (entries.size() >= SUBJECT_KEYS) break;
    if (bpf_map_lookup_elem(map, &key, &value) == 0) entries.emplace_back(key, value);
  }
  for (const auto& [each, now] : entries) Take(each, now);
}

void SubjectLatencies::Take(const subject_key& key, const latency& now) {
  if (key.kind >= SUBJECT_KINDS) return;
  Seen& seen = seen_[{key.cgroup.hierarchy, key.cgroup.id, key.kind}];
  const std::optional<v1::Container> container = context_.FindContainer(key.cgroup);
  if (!container.has_value()) {
    if (++seen.unknown_rounds >= kUnknownRounds) Drop(key);
    return;
  }
  seen.unknown_rounds = 0;
  Of& of = containers_[container->id()];
  of.container = *container;
  AddChange(now, seen.counted, &of.kinds[key.kind]);
  seen.counted = now;
}

void SubjectLatencies::Drop(const subject_key& key) {
  bpf_map_delete_elem(object_.MapFd("subjects"), &key);
  seen_.erase({key.cgroup.hierarchy, key.cgroup.id, key.kind});
}

void SubjectLatencies::Keep(std::span<const LiveContainer> live) {
  Read();  // what their last moments left
  std::set<std::string> ids;
  std::set<std::pair<uint32_t, uint64_t>> cgroups;
  for (const LiveContainer& each : live) {
    ids.insert(each.container.id());
    for (const cgroup_ref& cgroup : each.cgroups) cgroups.emplace(cgroup.hierarchy, cgroup.id);
  }
  std::erase_if(containers_, [&](const auto& entry) { return !ids.contains(entry.first); });
  std::vector<subject_key> gone;
  for (const auto& [key, seen] : seen_) {
    const auto& [hierarchy, id, kind] = key;
    if (cgroups.contains({hierarchy, id}) || seen.unknown_rounds > 0) continue;
    gone.push_back(
        {.cgroup = {.id = id, .hierarchy = hierarchy, .reserved = 0}, .kind = kind, .reserved = 0});
  }
  for (const subject_key& key : gone) Drop(key);
}

latency SubjectLatencies::Node(uint32_t kind) const {
  latency value{};
  if (bpf_map_lookup_elem(object_.MapFd("node"), &kind, &value) != 0) return {};
  return value;
}

uint64_t SubjectLatencies::without_room() const {
  const uint32_t zero = 0;
  uint64_t count = 0;
  if (bpf_map_lookup_elem(object_.MapFd("subjects_without_room"), &zero, &count) != 0) return 0;
  return count;
}

}  // namespace huatuo
