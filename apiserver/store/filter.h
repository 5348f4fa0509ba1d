// What a filter means, in one place for every backend.
//
// Text: the words of EventFilter::text are what white space (ASCII) separates; each must occur as a
// substring of the document's bytes, where ASCII letters match in either case. There is no other
// folding and no stemming, so that `tcp_v4`, half a container id and `"latency_ms":12` all find
// what they say, and so that an index by trigrams can serve it.
//
// Subjects: namespace, pod and container must all match the *same* subject.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/store/store.h"

namespace huatuo {

// The shortest prefix of a container's id that names it in a filter.
inline constexpr size_t kContainerIdPrefix = 12;

// Whether it is of this namespace, pod (name or uid) and container (name, or prefix of its id);
// each that is empty is so for all.
bool MatchesSubject(const SubjectRow& subject, std::string_view namespace_name,
                    std::string_view pod, std::string_view container);

// The words of a text, ASCII letters in lower case.
std::vector<std::string> Words(std::string_view text);

// An EventFilter made ready to be asked often. Not thread-safe (it keeps a scratch buffer); the
// filter must outlive it.
class Matcher {
 public:
  explicit Matcher(const EventFilter& filter);

  bool Matches(const EventRow& row, std::string_view node) const;

  // The parts, cheapest first; a row matches when all do.
  bool MatchesTime(int64_t tracer_time_ns) const;
  bool MatchesNames(const EventRow& row, std::string_view node) const;
  bool MatchesSubjects(const std::vector<SubjectRow>& subjects) const;
  bool MatchesText(std::string_view document) const;

  const EventFilter& filter() const { return filter_; }
  const std::vector<std::string>& words() const { return words_; }

 private:
  const EventFilter& filter_;
  std::vector<std::string> words_;
  mutable std::string folded_;
};

// Postings: numbers under which a row is filed, so that an index of (posting, position) serves each
// filter in the order of positions. They are hashes: equal rows have equal postings, and whoever is
// found by one still has to match. They are stored; changing them takes a migration.
std::vector<int64_t> PostingsOf(const EventRow& row, std::string_view node);

// The postings that every row matching the filter has.
std::vector<int64_t> PostingsOf(const EventFilter& filter);

// OK when `after` can be a position.
absl::Status CheckCursor(uint64_t after);

}  // namespace huatuo
