#include "collector/enrich/containers.h"

#include <algorithm>
#include <utility>

namespace huatuo {
namespace {

// Bounds what garbage in records can make us remember.
constexpr size_t kMaxMisses = 1024;

// One subject in all hierarchies. An id inside another container does not stand for itself alone:
// that container may have invented it.
std::string KeyOf(const ContainerName& name) {
  if (name.type == "pod") return "pod:" + name.pod_uid;
  if (name.type == "service") return "service:" + name.name;
  return "container:" + name.outer_id + "/" + name.container_id;
}

using Lock = std::unique_lock<std::shared_mutex>;

}  // namespace

std::string_view Container::FolderOf(std::string_view controller) const {
  std::string_view unified;
  for (const Folder& folder : folders) {
    const auto& names = folder.controllers;
    if (std::find(names.begin(), names.end(), controller) != names.end()) return folder.path;
    if (folder.hierarchy == 0) unified = folder.path;
  }
  return unified;
}

Containers::Containers(const Root& root, const Clock& clock, ContainersOptions options)
    : root_(root), clock_(clock), options_(options), tree_(root, options.max_folders) {}

absl::Status Containers::Refresh() {
  const std::lock_guard update(update_mutex_);
  absl::Status status = Rescan();
  NameDue();
  return status;
}

absl::Status Containers::Drain() {
  const std::lock_guard update(update_mutex_);
  std::vector<FolderChange> changes;
  absl::Status status = tree_.Drain(changes);
  Apply(changes);
  if (!scanned_ns_ || clock_.BootNs() - *scanned_ns_ >= options_.rescan_ns) status.Update(Rescan());
  {
    const Lock lock(index_mutex_);
    Expire();
  }
  NameDue();
  return status;
}

absl::Status Containers::Rescan() {
  std::vector<FolderChange> changes;
  absl::Status status = tree_.Scan(changes);
  scanned_ns_ = clock_.BootNs();
  Apply(changes);
  return status;
}

void Containers::Apply(const std::vector<FolderChange>& changes) {
  std::vector<ContainerChange> news;
  {
    const Lock lock(index_mutex_);
    for (const FolderChange& change : changes) {
      if (change.appeared) {
        Appear(change, news);
      } else {
        Vanish(change.ref, news);
      }
    }
    const CgroupTree::Counters& tree = tree_.counters();
    counters_.cgroups = tree.folders;
    counters_.rescans = tree.scans;
    counters_.inotify_overflows = tree.overflows;
    counters_.unwatched = tree.unwatched;
    counters_.refused = tree.refused;
  }
  Notify(news);
}

void Containers::Notify(const std::vector<ContainerChange>& news) const {
  for (const ContainerChange& change : news) {
    for (const Listener& listener : listeners_) listener(change);
  }
}

uint32_t Containers::SubjectOf(std::string_view path) {
  auto name = ParseCgroupPath(path);
  if (!name) return 0;
  std::string key = KeyOf(*name);
  const auto [found, is_new] = by_key_.try_emplace(key, last_subject_ + 1);
  if (!is_new) return found->second;
  auto container = std::make_shared<Container>();
  static_cast<ContainerName&>(*container) = std::move(*name);
  container->subject = ++last_subject_;
  subjects_[last_subject_] = {std::move(container), std::move(key), 0, 0, kTries, 0};
  return last_subject_;
}

void Containers::AddFolder(Subject& subject, const FolderChange& change) const {
  const auto name = ParseCgroupPath(change.path);
  if (!name || name->folder_length != change.path.size()) return;
  const Hierarchy& hierarchy = tree_.hierarchies()[change.hierarchy];
  auto copy = std::make_shared<Container>(*subject.container);
  std::erase_if(copy->folders,
                [&](const auto& folder) { return folder.hierarchy == hierarchy.id; });
  copy->folders.push_back(
      {hierarchy.id, hierarchy.controllers,
       hierarchy.mount_point + change.path.substr(hierarchy.mount_root.size())});
  subject.container = std::move(copy);
}

void Containers::Appear(const FolderChange& change, std::vector<ContainerChange>& news) {
  const uint32_t number = SubjectOf(change.path);
  // Before what was learned of this reference goes, lest its subject go with it.
  if (number != 0) ++subjects_[number].references;
  Forget(change.ref);
  references_[change.ref] = {number, true, 0};
  misses_.erase(change.ref);
  if (number == 0) return;
  Subject& subject = subjects_[number];
  AddFolder(subject, change);
  if (subject.live++ == 0) {
    ++counters_.live;
    if (subject.container->type == "container") {
      subject.tries = 0;
      subject.retry_ns = clock_.BootNs();
      naming_.push_back(number);
    }
  }
  news.push_back({ContainerChange::Kind::kCgroupAdded, subject.container, change.ref});
}

void Containers::Vanish(CgroupRef cgroup, std::vector<ContainerChange>& news) {
  const auto found = references_.find(cgroup);
  if (found == references_.end() || !found->second.live) return;
  const uint32_t number = found->second.subject;
  if (number != 0) {
    Subject& subject = subjects_[number];
    news.push_back({ContainerChange::Kind::kCgroupRemoved, subject.container, cgroup});
    if (--subject.live == 0) {
      --counters_.live;
      news.push_back({ContainerChange::Kind::kEnded, subject.container, {}});
    }
  }
  Bury(cgroup, found->second);
}

void Containers::Bury(CgroupRef cgroup, Reference& reference) {
  reference.live = false;
  reference.gone_ns = clock_.BootNs();
  tombstones_.push_back({cgroup, reference.gone_ns});
  ++counters_.tombstones;
  Expire();
}

// Drops a reference, and its subject with the last one.
void Containers::Forget(CgroupRef cgroup) {
  const auto found = references_.find(cgroup);
  if (found == references_.end()) return;
  const Reference reference = found->second;
  references_.erase(found);
  if (!reference.live) --counters_.tombstones;
  if (reference.subject == 0) return;
  const auto subject = subjects_.find(reference.subject);
  if (reference.live && --subject->second.live == 0) --counters_.live;
  if (--subject->second.references > 0) return;
  by_key_.erase(subject->second.key);
  subjects_.erase(subject);
}

void Containers::Expire() {
  const int64_t now = clock_.BootNs();
  while (!tombstones_.empty()) {
    const Tombstone oldest = tombstones_.front();
    const auto found = references_.find(oldest.cgroup);
    const bool stale =
        found == references_.end() || found->second.live || found->second.gone_ns != oldest.gone_ns;
    const bool due = now - oldest.gone_ns >= options_.tombstone_ns;
    if (!stale && !due && tombstones_.size() <= options_.max_tombstones) return;
    tombstones_.pop_front();
    if (stale) continue;
    if (!due) ++counters_.evicted;
    Forget(oldest.cgroup);
  }
}

std::optional<Containers::Hit> Containers::Look(CgroupRef cgroup) const {
  const std::shared_lock lock(index_mutex_);
  const auto found = references_.find(cgroup);
  if (found == references_.end()) return std::nullopt;
  if (found->second.subject == 0) return Hit{};
  const Subject& subject = subjects_.find(found->second.subject)->second;
  const bool nameless = subject.tries < kTries && subject.container->hostname.empty() &&
                        clock_.BootNs() >= subject.retry_ns;
  return Hit{subject.container, nameless};
}

std::shared_ptr<const Container> Containers::Find(CgroupRef cgroup) {
  auto hit = Look(cgroup);
  if (!hit) {
    const std::lock_guard update(update_mutex_);
    Search(cgroup);
  } else if (hit->nameless) {
    const std::unique_lock update(update_mutex_, std::try_to_lock);
    if (update.owns_lock()) Name(hit->container->subject);
  } else {
    return hit->container;
  }
  hit = Look(cgroup);
  if (!hit) ++unresolved_;
  return hit ? hit->container : nullptr;
}

void Containers::Search(CgroupRef cgroup) {
  std::vector<FolderChange> changes;
  (void)tree_.Drain(changes);  // the next Drain by the loop reports what lasts
  Apply(changes);
  if (Look(cgroup) || !MayRescanFor(cgroup)) return;
  miss_scanned_ns_ = clock_.BootNs();
  (void)Rescan();
  if (Look(cgroup)) return;
  if (misses_.size() >= kMaxMisses) misses_.clear();
  misses_[cgroup] = clock_.BootNs();
}

bool Containers::MayRescanFor(CgroupRef cgroup) {
  const int64_t now = clock_.BootNs();
  const auto missed = misses_.find(cgroup);
  if (missed != misses_.end() && now - missed->second < options_.miss_memory_ns) return false;
  return !miss_scanned_ns_ || now - *miss_scanned_ns_ >= options_.miss_rescan_ns;
}

void Containers::Learn(CgroupRef cgroup, std::string_view path) {
  const std::lock_guard update(update_mutex_);
  const Lock lock(index_mutex_);
  if (references_.contains(cgroup)) return;
  const uint32_t number = SubjectOf(path);
  misses_.erase(cgroup);
  if (number != 0) ++subjects_[number].references;
  Bury(cgroup, references_[cgroup] = {number, true, 0});
}

std::vector<std::shared_ptr<const Container>> Containers::Live() const {
  std::vector<std::shared_ptr<const Container>> live;
  {
    const std::shared_lock lock(index_mutex_);
    for (const auto& [number, subject] : subjects_) {
      if (subject.live > 0) live.push_back(subject.container);
    }
  }
  std::sort(live.begin(), live.end(),
            [](const auto& a, const auto& b) { return a->subject < b->subject; });
  return live;
}

std::vector<CgroupRef> Containers::CgroupsOf(uint32_t subject) const {
  std::vector<CgroupRef> cgroups;
  const std::shared_lock lock(index_mutex_);
  for (const auto& [cgroup, reference] : references_) {
    if (reference.live && reference.subject == subject) cgroups.push_back(cgroup);
  }
  return cgroups;
}

void Containers::Tell(const Listener& listener) const {
  std::vector<ContainerChange> present;
  {
    const std::shared_lock lock(index_mutex_);
    for (const auto& [cgroup, reference] : references_) {
      if (!reference.live || reference.subject == 0) continue;
      present.push_back({ContainerChange::Kind::kCgroupAdded,
                         subjects_.find(reference.subject)->second.container, cgroup});
    }
  }
  for (const ContainerChange& change : present) listener(change);
}

void Containers::Subscribe(Listener listener) {
  const std::lock_guard update(update_mutex_);
  Tell(listener);
  listeners_.push_back(std::move(listener));
}

Containers::Counters Containers::counters() const {
  const std::shared_lock lock(index_mutex_);
  Counters counters = counters_;
  counters.unresolved = unresolved_;
  return counters;
}

}  // namespace huatuo
