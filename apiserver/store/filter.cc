#include "apiserver/store/filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "common/status.h"

namespace huatuo {
namespace {

enum class Kind : char { kTracer, kNode, kTask, kNamespace, kPod, kContainer };

// Branch-free, so that the compiler can do 16 bytes at a time.
void Fold(std::string_view text, std::string& out) {
  out.resize(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    out[i] = static_cast<char>(c + (static_cast<unsigned char>(c - 'A') < 26 ? 32 : 0));
  }
}

bool Contains(const std::string& folded, const std::string& word) {
  return memmem(folded.data(), folded.size(), word.data(), word.size()) != nullptr;
}

// FNV-1a with a final mix; the value is stored, so it may depend on nothing but its input.
int64_t Posting(Kind kind, std::string_view value) {
  uint64_t hash = 0xcbf29ce484222325U ^ static_cast<uint64_t>(kind);
  for (const char c : value) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93U;
  hash ^= hash >> 32;
  return static_cast<int64_t>(hash);
}

// Names and ids of containers are filed under their first bytes alike, since a filter does not say
// which of the two it means.
int64_t ContainerPosting(std::string_view value) {
  return Posting(Kind::kContainer, value.substr(0, kContainerIdPrefix));
}

void AddPostings(const SubjectRow& s, std::vector<int64_t>& out) {
  if (!s.namespace_name.empty()) out.push_back(Posting(Kind::kNamespace, s.namespace_name));
  if (!s.pod_name.empty()) out.push_back(Posting(Kind::kPod, s.pod_name));
  if (!s.pod_uid.empty()) out.push_back(Posting(Kind::kPod, s.pod_uid));
  if (!s.container_name.empty()) out.push_back(ContainerPosting(s.container_name));
  if (!s.container_id.empty()) out.push_back(ContainerPosting(s.container_id));
}

}  // namespace

bool MatchesSubject(const SubjectRow& subject, std::string_view namespace_name,
                    std::string_view pod, std::string_view container) {
  if (!namespace_name.empty() && namespace_name != subject.namespace_name) return false;
  if (!pod.empty() && pod != subject.pod_name && pod != subject.pod_uid) return false;
  return container.empty() || container == subject.container_name ||
         (container.size() >= kContainerIdPrefix && subject.container_id.starts_with(container));
}

std::vector<std::string> Words(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  std::string folded;
  Fold(text, folded);
  std::vector<std::string> words;
  size_t begin = folded.find_first_not_of(kSpace);
  while (begin != std::string::npos) {
    const size_t end = std::min(folded.find_first_of(kSpace, begin), folded.size());
    words.push_back(folded.substr(begin, end - begin));
    begin = folded.find_first_not_of(kSpace, end);
  }
  return words;
}

Matcher::Matcher(const EventFilter& filter) : filter_(filter), words_(Words(filter.text)) {}

bool Matcher::Matches(const EventRow& row, std::string_view node) const {
  return MatchesTime(row.tracer_time_ns) && MatchesNames(row, node) &&
         MatchesSubjects(row.subjects) && MatchesText(row.document);
}

bool Matcher::MatchesTime(int64_t tracer_time_ns) const {
  return (!filter_.from_ns || tracer_time_ns >= *filter_.from_ns) &&
         (!filter_.to_ns || tracer_time_ns < *filter_.to_ns);
}

bool Matcher::MatchesNames(const EventRow& row, std::string_view node) const {
  return (filter_.tracer.empty() || filter_.tracer == row.tracer_name) &&
         (filter_.node.empty() || filter_.node == node) &&
         (filter_.task_id.empty() || filter_.task_id == row.task_id);
}

bool Matcher::MatchesSubjects(const std::vector<SubjectRow>& subjects) const {
  if (filter_.namespace_name.empty() && filter_.pod.empty() && filter_.container.empty()) {
    return true;
  }
  return std::any_of(subjects.begin(), subjects.end(), [&f = filter_](const SubjectRow& s) {
    return MatchesSubject(s, f.namespace_name, f.pod, f.container);
  });
}

bool Matcher::MatchesText(std::string_view document) const {
  if (words_.empty()) return true;
  Fold(document, folded_);
  return std::all_of(words_.begin(), words_.end(),
                     [this](const std::string& word) { return Contains(folded_, word); });
}

std::vector<int64_t> PostingsOf(const EventRow& row, std::string_view node) {
  std::vector<int64_t> out = {Posting(Kind::kTracer, row.tracer_name), Posting(Kind::kNode, node)};
  if (!row.task_id.empty()) out.push_back(Posting(Kind::kTask, row.task_id));
  for (const SubjectRow& subject : row.subjects) AddPostings(subject, out);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<int64_t> PostingsOf(const EventFilter& filter) {
  std::vector<int64_t> out;
  if (!filter.task_id.empty()) out.push_back(Posting(Kind::kTask, filter.task_id));
  if (!filter.container.empty()) out.push_back(ContainerPosting(filter.container));
  if (!filter.pod.empty()) out.push_back(Posting(Kind::kPod, filter.pod));
  if (!filter.namespace_name.empty()) {
    out.push_back(Posting(Kind::kNamespace, filter.namespace_name));
  }
  if (!filter.node.empty()) out.push_back(Posting(Kind::kNode, filter.node));
  if (!filter.tracer.empty()) out.push_back(Posting(Kind::kTracer, filter.tracer));
  return out;
}

absl::Status CheckCursor(uint64_t after) {
  if (after <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return absl::OkStatus();
  return InvalidArgument(fmt::format("cursor: {}: not a position", after));
}

}  // namespace huatuo
