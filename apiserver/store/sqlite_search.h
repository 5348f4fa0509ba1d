// One query of the SQLite store.
//
// Everything that could be a result is read in the order of positions from the narrowest source
// there is, and asked with the same Matcher as in memory. The sources, tried in this order:
//   1. the postings of a name that is rare;
//   2. the first rows in order, since most readers want the newest and they are often enough;
//   3. the full-text index, where it covers the rows;
//   4. the index of tracer times, for a range that holds up to a million rows;
//   5. all rows, or those with the rarest posting.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/store/filter.h"
#include "apiserver/store/sqlite.h"
#include "apiserver/store/store.h"

namespace huatuo {

struct TextPart;

class Search {
 public:
  // All of them outlive the search; `database` is in a read transaction.
  Search(Database& database, const Matcher& matcher, Order order, uint64_t after, size_t limit);

  absl::StatusOr<std::vector<StoredEvent>> Run();

 private:
  // Positions between the two, both excluded.
  struct Span {
    int64_t low;
    int64_t high;
  };
  // Where candidates come from: `position` is the column that orders them, `match` the argument,
  // `postings` how many of postings_ they all have.
  struct Source {
    std::string from;
    std::string position;
    std::string match;
    size_t postings;
  };
  struct Segment {
    Span span;
    int64_t text_first;  // 0: not covered by the text index
  };

  absl::Status RankPostings();
  Source Plain() const;
  Source Text(int64_t first) const;
  std::string Sql(const Source& source, Span span) const;
  absl::StatusOr<bool> Scan(const Source& source, Span span, int64_t budget);
  std::vector<Segment> Segments(const std::vector<TextPart>& parts) const;
  absl::Status ScanText();
  absl::StatusOr<bool> ScanTimes();
  absl::StatusOr<std::vector<int64_t>> PositionsByTime() const;
  absl::Status Take(const Statement& row);
  bool Full() const { return found_.size() >= limit_; }

  Database& database_;
  const Matcher& matcher_;
  const bool newest_first_;
  const size_t limit_;
  Span rest_;                      // what has not been looked at
  std::vector<int64_t> postings_;  // the rarest first
  bool rare_ = false;
  std::string expression_;
  std::vector<StoredEvent> found_;
};

}  // namespace huatuo
