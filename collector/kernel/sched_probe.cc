#include "collector/kernel/sched_probe.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "absl/strings/str_split.h"
#include "bpf/sched.skel.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Every cgroup of every container: in each of the (at most about 12) hierarchies, with those below.
constexpr uint32_t kCgroups = 16384;

bool Same(const cgroup_ref& a, const cgroup_ref& b) {
  return a.id == b.id && a.hierarchy == b.hierarchy;
}

bool Contains(const std::vector<cgroup_ref>& all, const cgroup_ref& one) {
  return std::any_of(all.begin(), all.end(), [&](const cgroup_ref& c) { return Same(c, one); });
}

// Whether the cpu controller is on a v1 hierarchy, by the lines "4:cpu,cpuacct:/path" of a process.
absl::StatusOr<bool> CpuIsOnV1(const Root& root) {
  ASSIGN_OR_RETURN(const std::string text,
                   root.Read(root.prefix().empty() ? "/proc/self/cgroup" : "/proc/1/cgroup"));
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() < 3) continue;
    for (const absl::string_view controller : absl::StrSplit(parts[1], ',')) {
      if (controller == "cpu") return true;
    }
  }
  return false;
}

// One of the two keys of the slot cache is enough where the controller's place is known.
absl::Status ChooseKey(const Root& root, BpfObject& object) {
  const absl::StatusOr<bool> on_v1 = CpuIsOnV1(root);
  if (!on_v1.ok()) return absl::OkStatus();
  return object.SetConstant(*on_v1 ? "key_by_unified" : "key_by_controller", 0);
}

// Calls with each pair of counters that are at the same place in both.
template <typename To, typename From, typename Function>
void Zip(To& to, const From& from, Function function) {
  for (size_t i = 0; i < SCHED_BUCKETS; ++i) function(to.bucket[i], from.bucket[i]);
  for (size_t i = 0; i < SCHED_BEHINDS; ++i) function(to.behind_ns[i], from.behind_ns[i]);
  for (size_t i = 0; i < to.switches.size(); ++i) function(to.switches[i], from.switches[i]);
  function(to.sum_ns, from.sum_ns);
  function(to.unnamed_ns, from.unnamed_ns);
}

template <typename From>
void Add(SchedProbe::Histogram& to, const From& from) {
  Zip(to, from, [](uint64_t& sum, uint64_t one) { sum += one; });
}

// `since_wall_ns` is that of `before`.
SchedProbe::Histogram Minus(SchedProbe::Histogram now, const SchedProbe::Histogram& before) {
  Zip(now, before, [](uint64_t& sum, uint64_t one) { sum -= one; });
  now.since_wall_ns = before.since_wall_ns;
  return now;
}

static_assert(SchedProbe::kSlots == SCHED_SLOTS - SCHED_SLOT_FIRST);

// What the programs remember of all CPUs, without a system call for each. Unmapped by who gets it.
absl::StatusOr<std::span<const sched_cpu>> MapCpus(const BpfObject& object) {
  const auto count = static_cast<size_t>(PossibleCpus());
  void* const memory =
      mmap(nullptr, count * sizeof(sched_cpu), PROT_READ, MAP_SHARED, object.MapFd("memory"), 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "map the memory of the sched probe");
  return std::span(static_cast<const sched_cpu*>(memory), count);
}

}  // namespace

absl::StatusOr<std::shared_ptr<SchedProbe>> SchedProbe::Open(
    std::span<const std::string_view> programs, const Resources& resources) {
  if (resources.ring_fd < 0) return Unavailable(resources.no_ring);
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object, BpfObject::Open("sched", Elf<sched_bpf>()));
  RETURN_IF_ERROR(object->Select(programs));
  RETURN_IF_ERROR(object->ShareMap("events", resources.ring_fd));
  RETURN_IF_ERROR(ChooseKey(resources.root, *object));
  RETURN_IF_ERROR(object->Resize("memory", static_cast<uint32_t>(PossibleCpus())));
  RETURN_IF_ERROR(object->Resize("slots", kCgroups));
  RETURN_IF_ERROR(object->Load());
  ASSIGN_OR_RETURN(const std::span<const sched_cpu> cpus, MapCpus(*object));
  std::shared_ptr<SchedProbe> probe(new SchedProbe(std::move(object), cpus, resources.clock));
  probe->Sync(resources.context.LiveContainers());
  RETURN_IF_ERROR(probe->object_->Attach());
  return probe;
}

SchedProbe::SchedProbe(std::unique_ptr<BpfObject> object, std::span<const sched_cpu> cpus,
                       const Clock& clock)
    : object_(std::move(object)),
      cpus_(cpus),
      clock_(clock),
      opened_wall_ns_(static_cast<uint64_t>(clock.WallNs())) {
  // Taken from the back: low slots first, so that reading stops early.
  for (uint32_t i = kSlots; i > 0; --i) free_slots_.push_back(SCHED_SLOT_FIRST + i - 1);
}

SchedProbe::~SchedProbe() { munmap(const_cast<sched_cpu*>(cpus_.data()), cpus_.size_bytes()); }

absl::StatusOr<uint32_t> SchedProbe::Reserve(bool always) {
  const uint32_t first = always ? 0 : 1;
  const uint32_t last = always ? 0 : SCHED_INSTANCES - 1;
  for (uint32_t i = first; i <= last; ++i) {
    if (taken_[i]) continue;
    taken_[i] = true;
    return i;
  }
  return ResourceExhausted(fmt::format("all {} instances of the sched probe are in use", last));
}

absl::Status SchedProbe::Write(uint32_t index, const sched_instance& instance) {
  instances_[index] = instance;
  if (bpf_map_update_elem(object_->MapFd("instances"), &index, &instance, BPF_ANY) != 0) {
    return ErrnoStatus(errno, "write an instance of the sched probe");
  }
  return WriteThreshold();
}

void SchedProbe::Release(uint32_t index) {
  Write(index, {}).IgnoreError();
  taken_[index] = false;
}

absl::Status SchedProbe::WriteThreshold() {
  uint64_t minimum = ~0ULL;
  for (const sched_instance& instance : instances_) {
    if (instance.threshold_ns != 0) minimum = std::min<uint64_t>(minimum, instance.threshold_ns);
  }
  RETURN_IF_ERROR(object_->SetTunable("min_threshold_ns", minimum));
  return object_->SetTunable("short_wait_ns", std::min<uint64_t>(minimum, SCHED_SHORT_NS));
}

bool SchedProbe::MapCgroups(Subject& subject, const std::vector<cgroup_ref>& cgroups) {
  const int map = object_->MapFd("slots");
  bool changed = false;
  for (const cgroup_ref& old : subject.cgroups) {
    if (!Contains(cgroups, old)) changed |= bpf_map_delete_elem(map, &old) == 0;
  }
  for (const cgroup_ref& cgroup : cgroups) {
    if (Contains(subject.cgroups, cgroup)) continue;
    changed |= bpf_map_update_elem(map, &cgroup, &subject.slot, BPF_ANY) == 0;
  }
  subject.cgroups = cgroups;
  return changed;
}

void SchedProbe::Assign(const LiveContainer& live) {
  Subject subject{live.container, SCHED_SLOT_OTHER, {}, {}};
  if (free_slots_.empty()) {
    ++overflowed_;
  } else {
    subject.slot = free_slots_.back();
    free_slots_.pop_back();
    used_slots_ = std::max(used_slots_, subject.slot + 1);
  }
  subject.before = ReadSlot(subject.slot);
  subject.before.since_wall_ns = static_cast<uint64_t>(clock_.WallNs());
  const auto& added = subjects_.emplace(live.subject, std::move(subject)).first->second;
  if (added.slot != SCHED_SLOT_OTHER) owners_[added.slot] = &added.container;
}

// The next container of this slot begins without what was said about this one.
void SchedProbe::Free(const Subject& subject) {
  if (subject.slot == SCHED_SLOT_OTHER) return;
  free_slots_.push_back(subject.slot);
  owners_.erase(subject.slot);
  for (const uint32_t pair : Pairs()) {
    if (SCHED_PAIR_WAITER(pair) != subject.slot && SCHED_PAIR_CULPRIT(pair) != subject.slot) {
      continue;
    }
    bpf_map_delete_elem(object_->MapFd("culprits"), &pair);
  }
}

void SchedProbe::Sync(const std::vector<LiveContainer>& live) {
  std::set<uint32_t> alive;
  bool changed = false;
  for (const LiveContainer& one : live) alive.insert(one.subject);
  for (auto it = subjects_.begin(); it != subjects_.end();) {
    if (alive.contains(it->first)) {
      ++it;
      continue;
    }
    changed |= MapCgroups(it->second, {});
    Free(it->second);
    it = subjects_.erase(it);
  }
  for (const LiveContainer& one : live) {
    if (!subjects_.contains(one.subject)) Assign(one);
    changed |= MapCgroups(subjects_.at(one.subject), one.cgroups);
  }
  // Cached answers of the programs are void from here on.
  if (!changed) return;
  generation_ += SCHED_GENERATION;
  object_->SetTunable("slot_generation", generation_).IgnoreError();
}

std::optional<uint32_t> SchedProbe::SlotOf(const std::string& container_id) const {
  for (const auto& [number, subject] : subjects_) {
    if (subject.container.id() == container_id) return subject.slot;
  }
  return std::nullopt;
}

SchedProbe::Histogram SchedProbe::ReadSlot(uint32_t slot) const {
  Histogram sum;
  sum.since_wall_ns = opened_wall_ns_;
  for (const sched_cpu& cpu : cpus_) Add(sum, cpu.histogram[slot]);
  return sum;
}

SchedProbe::Histogram SchedProbe::Host() {
  // Slots are never cleared, so the sum over all that were ever used only grows.
  Histogram sum;
  sum.since_wall_ns = opened_wall_ns_;
  for (uint32_t slot = 0; slot < used_slots_; ++slot) {
    Add(sum, ReadSlot(slot));
  }
  return sum;
}

void SchedProbe::EachContainer(
    const std::function<void(const v1::Container*, const Histogram&)>& visit) {
  for (const auto& [id, subject] : subjects_) {
    if (subject.slot == SCHED_SLOT_OTHER) continue;
    visit(&subject.container, Minus(ReadSlot(subject.slot), subject.before));
  }
  if (overflowed_ > 0) visit(nullptr, ReadSlot(SCHED_SLOT_OTHER));
}

std::vector<uint32_t> SchedProbe::Pairs() const {
  std::vector<uint32_t> pairs;
  uint32_t key = 0;
  const int map = object_->MapFd("culprits");
  for (const uint32_t* last = nullptr; bpf_map_get_next_key(map, last, &key) == 0; last = &key) {
    // A walk that meets a removed key begins anew: the map's size bounds it.
    if (pairs.size() >= SCHED_PAIRS) break;
    pairs.push_back(key);
  }
  return pairs;
}

void SchedProbe::EachBlame(const std::function<void(const Blame&)>& visit) const {
  const auto owner = [this](uint32_t slot) {
    const auto it = owners_.find(slot);
    return it == owners_.end() ? nullptr : it->second;
  };
  for (const uint32_t pair : Pairs()) {
    const uint32_t waiter = SCHED_PAIR_WAITER(pair);
    const uint32_t culprit = SCHED_PAIR_CULPRIT(pair);
    Blame blame{owner(waiter), owner(culprit), culprit, 0};
    // A pair that outlived one of the two: what a CPU had kept came later.
    const bool gone = (waiter >= SCHED_SLOT_FIRST && blame.waiter == nullptr) ||
                      (culprit >= SCHED_SLOT_FIRST && blame.culprit == nullptr);
    if (gone) bpf_map_delete_elem(object_->MapFd("culprits"), &pair);
    if (gone || bpf_map_lookup_elem(object_->MapFd("culprits"), &pair, &blame.ns) != 0) continue;
    visit(blame);
  }
}

absl::StatusOr<std::shared_ptr<SchedProbe>> SchedProbeOwner::Acquire(
    std::span<const std::string_view> programs, const Resources& resources) {
  std::shared_ptr<SchedProbe> probe = probe_.lock();
  if (probe != nullptr) return probe;
  ASSIGN_OR_RETURN(probe, SchedProbe::Open(programs, resources));
  probe_ = probe;
  return probe;
}

}  // namespace huatuo
