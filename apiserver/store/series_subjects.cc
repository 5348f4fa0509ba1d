#include "apiserver/store/series_subjects.h"

#include <algorithm>
#include <utility>

namespace huatuo {
namespace {

constexpr int64_t kLookNs = 10'000'000'000;

const std::string& KeyOf(const v1::Container& container) {
  return container.id().empty() ? container.pod_uid() : container.id();
}

// Only the container itself tells everything there is to know.
bool Complete(const v1::Container& container, const PodIndex::Found& found) {
  return container.id().empty() ? found.pod != nullptr : found.container != nullptr;
}

}  // namespace

std::string SeriesSubjects::Unnamed(const v1::Container& container) const {
  return ContainerLabels(container, {}, pods_.labels);
}

SeriesSubjects::Subject* SeriesSubjects::Find(const v1::Container& container) {
  if (pods_.index == nullptr || container.pod_uid().empty()) return nullptr;
  const auto [found, fresh] = subjects_.try_emplace(KeyOf(container));
  Subject& subject = found->second;
  if (fresh) {
    subject.container = container;
    Look(subject, 0);
  }
  return &subject;
}

void SeriesSubjects::Remove(Subject& subject, uint32_t series) {
  std::erase(subject.series, series);
  if (!subject.series.empty()) return;
  const std::string key = KeyOf(subject.container);
  subjects_.erase(key);
}

void SeriesSubjects::Look(Subject& subject, int64_t now_ns) const {
  const PodIndex::Found found =
      pods_.index->Find(subject.container.id(), subject.container.pod_uid());
  subject.looked_ns = now_ns;
  subject.pod = Complete(subject.container, found) ? found.pod : nullptr;
  std::string labels = ContainerLabels(subject.container, found, pods_.labels);
  if (labels == subject.labels) return;
  subject.labels = std::move(labels);
  subject.stale = !subject.series.empty();
}

std::vector<SeriesSubjects::Subject*> SeriesSubjects::Changed(int64_t now_ns) {
  std::vector<Subject*> changed;
  for (auto& [key, subject] : subjects_) {
    if (!subject.pod || now_ns - subject.looked_ns >= kLookNs) Look(subject, now_ns);
    if (subject.stale) changed.push_back(&subject);
  }
  return changed;
}

}  // namespace huatuo
