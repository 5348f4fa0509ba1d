#include "apiserver/store/sqlite_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "apiserver/store/sqlite_rows.h"
#include "apiserver/store/sqlite_text.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr int64_t kNoBudget = std::numeric_limits<int64_t>::max();

// Counting up to here takes about a millisecond; a name with fewer rows is rare.
constexpr int64_t kRare = 10000;

// Reading and asking these takes some 5 ms.
constexpr int64_t kFirstRows = 2000;

constexpr int64_t kMaxPositions = 1000000;

std::string Filed(int64_t posting, std::string_view position) {
  return fmt::format(
      " AND EXISTS(SELECT 1 FROM posting q WHERE q.posting = {} AND q.position = {})", posting,
      position);
}

}  // namespace

Search::Search(Database& database, const Matcher& matcher, Order order, uint64_t after,
               size_t limit)
    : database_(database),
      matcher_(matcher),
      newest_first_(order == Order::kNewestFirst),
      limit_(limit),
      rest_{0, std::numeric_limits<int64_t>::max()},
      postings_(PostingsOf(matcher.filter())),
      expression_(TextExpression(matcher.words())) {
  if (!newest_first_) rest_.low = static_cast<int64_t>(after);
  if (newest_first_ && after != 0) rest_.high = static_cast<int64_t>(after);
}

absl::StatusOr<std::vector<StoredEvent>> Search::Run() {
  if (limit_ == 0) return std::move(found_);
  RETURN_IF_ERROR(RankPostings());
  const bool ranged = matcher_.filter().from_ns || matcher_.filter().to_ns;
  const int64_t budget = rare_ ? kNoBudget : kFirstRows;
  ASSIGN_OR_RETURN(bool done, Scan(Plain(), rest_, budget));
  if (!done && !expression_.empty()) {
    RETURN_IF_ERROR(ScanText());
    done = true;
  }
  if (!done && ranged) {
    ASSIGN_OR_RETURN(done, ScanTimes());
  }
  if (!done) RETURN_IF_ERROR(Scan(Plain(), rest_, kNoBudget).status());
  return std::move(found_);
}

absl::Status Search::RankPostings() {
  std::vector<std::pair<int64_t, int64_t>> ranked;
  ASSIGN_OR_RETURN(Statement count, database_.Kept("SELECT count(*) FROM (SELECT 1 FROM posting "
                                                   "WHERE posting = ? LIMIT ?)"));
  for (const int64_t posting : postings_) {
    count.Again();
    RETURN_IF_ERROR(count.Bind(posting).Bind(kRare).Step().status());
    ranked.emplace_back(count.Int(0), posting);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < ranked.size(); ++i) postings_[i] = ranked[i].second;
  rare_ = !ranked.empty() && ranked[0].first < kRare;
  return absl::OkStatus();
}

Search::Source Search::Plain() const {
  if (postings_.empty()) return {"event e WHERE 1", "e.position", "", 0};
  return {fmt::format("posting p CROSS JOIN event e ON e.position = p.position "
                      "WHERE p.posting = {}",
                      postings_[0]),
          "p.position", "", 1};
}

Search::Source Search::Text(int64_t first) const {
  const std::string table = TextTable(first);
  return {fmt::format("{0} CROSS JOIN event e ON e.position = {0}.rowid WHERE {0} MATCH ?", table),
          table + ".rowid", expression_, 0};
}

std::string Search::Sql(const Source& source, Span span) const {
  std::string sql = fmt::format("SELECT {} FROM {} AND {} > {} AND {} < {}", kEventColumns,
                                source.from, source.position, span.low, source.position, span.high);
  for (size_t i = source.postings; i < postings_.size(); ++i)
    sql += Filed(postings_[i], source.position);
  return sql + fmt::format(" ORDER BY {}{}", source.position, newest_first_ ? " DESC" : "");
}

// Looks at up to `budget` candidates of the span; false when some are left and results still fit.
absl::StatusOr<bool> Search::Scan(const Source& source, Span span, int64_t budget) {
  ASSIGN_OR_RETURN(Statement rows, database_.Once(Sql(source, span)));
  if (!source.match.empty()) rows.Bind(source.match);
  for (; budget > 0; --budget) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) return true;
    (newest_first_ ? rest_.high : rest_.low) = rows.Int(0);
    RETURN_IF_ERROR(Take(rows));
    if (Full()) return true;
  }
  return false;
}

absl::Status Search::Take(const Statement& row) {
  ASSIGN_OR_RETURN(std::optional<StoredEvent> event, ReadMatching(row, matcher_));
  if (event) found_.push_back(*std::move(event));
  return absl::OkStatus();
}

// The rest in pieces that are covered by one part of the index or by none, in the search's order.
std::vector<Search::Segment> Search::Segments(const std::vector<TextPart>& parts) const {
  std::vector<Segment> segments;
  int64_t low = rest_.low;
  for (const TextPart& part : parts) {
    if (part.last <= low || part.first >= rest_.high) continue;
    if (low < part.first - 1) segments.push_back({{low, part.first}, 0});
    low = std::max(low, part.first - 1);
    segments.push_back({{low, std::min(part.last + 1, rest_.high)}, part.first});
    low = part.last;
  }
  if (low < rest_.high - 1) segments.push_back({{low, rest_.high}, 0});
  if (newest_first_) std::reverse(segments.begin(), segments.end());
  return segments;
}

absl::Status Search::ScanText() {
  ASSIGN_OR_RETURN(const std::vector<TextPart> parts, TextParts(database_));
  for (const Segment& segment : Segments(parts)) {
    if (Full()) break;
    const Source source = segment.text_first == 0 ? Plain() : Text(segment.text_first);
    RETURN_IF_ERROR(Scan(source, segment.span, kNoBudget).status());
  }
  return absl::OkStatus();
}

// False, and nothing done, when the range holds too many rows for the index to help.
absl::StatusOr<bool> Search::ScanTimes() {
  ASSIGN_OR_RETURN(const std::vector<int64_t> positions, PositionsByTime());
  if (positions.size() > static_cast<size_t>(kMaxPositions)) return false;
  ASSIGN_OR_RETURN(
      Statement row,
      database_.Kept(fmt::format("SELECT {} FROM event e WHERE e.position = ?", kEventColumns)));
  for (const int64_t position : positions) {
    if (Full()) break;
    row.Again();
    ASSIGN_OR_RETURN(const bool found, row.Bind(position).Step());
    if (found) RETURN_IF_ERROR(Take(row));
  }
  return true;
}

absl::StatusOr<std::vector<int64_t>> Search::PositionsByTime() const {
  const EventFilter& filter = matcher_.filter();
  std::string sql = fmt::format(
      "SELECT e.position FROM event e INDEXED BY event_tracer_time "
      "WHERE e.position > {} AND e.position < {}",
      rest_.low, rest_.high);
  if (filter.from_ns) sql += " AND e.tracer_time_ns >= ?";
  if (filter.to_ns) sql += " AND e.tracer_time_ns < ?";
  for (const int64_t posting : postings_) sql += Filed(posting, "e.position");
  ASSIGN_OR_RETURN(Statement rows, database_.Once(sql + " LIMIT ?"));
  if (filter.from_ns) rows.Bind(*filter.from_ns);
  if (filter.to_ns) rows.Bind(*filter.to_ns);
  rows.Bind(kMaxPositions + 1);
  std::vector<int64_t> positions;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) break;
    positions.push_back(rows.Int(0));
  }
  std::sort(positions.begin(), positions.end());
  if (newest_first_) std::reverse(positions.begin(), positions.end());
  return positions;
}

}  // namespace huatuo
