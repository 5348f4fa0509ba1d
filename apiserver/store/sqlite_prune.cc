#include "apiserver/store/sqlite_prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "apiserver/store/filter.h"
#include "apiserver/store/sqlite_rows.h"
#include "apiserver/store/sqlite_text.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Of one step.
constexpr int kRows = 200;
constexpr uint64_t kBytes = 2 << 20;
constexpr int kPages = 256;

struct Doomed {
  int64_t position = 0;
  std::vector<int64_t> postings;
};

// The first rows of `rows`, which selects kEventColumns, until the step is full.
absl::StatusOr<std::vector<Doomed>> Choose(Statement& rows, uint64_t max_bytes,
                                           int64_t& youngest_ns) {
  std::vector<Doomed> doomed;
  for (uint64_t bytes = 0; bytes < max_bytes;) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) break;
    ASSIGN_OR_RETURN(const StoredEvent event, ReadEvent(rows));
    doomed.push_back({static_cast<int64_t>(event.position), PostingsOf(event.row, event.node)});
    youngest_ns = std::max(youngest_ns, event.uploaded_ns);
    bytes += event.row.document.size();
  }
  return doomed;
}

absl::Status DeletePostings(Database& database, const std::vector<Doomed>& doomed) {
  std::vector<std::pair<int64_t, int64_t>> keys;
  for (const Doomed& row : doomed) {
    for (const int64_t posting : row.postings) keys.emplace_back(posting, row.position);
  }
  std::sort(keys.begin(), keys.end());
  ASSIGN_OR_RETURN(Statement remove,
                   database.Kept("DELETE FROM posting WHERE posting = ? AND position = ?"));
  for (const auto& [posting, position] : keys) {
    remove.Again();
    RETURN_IF_ERROR(remove.Bind(posting).Bind(position).Run());
  }
  return absl::OkStatus();
}

absl::Status Delete(Database& database, const std::vector<Doomed>& doomed) {
  RETURN_IF_ERROR(DeletePostings(database, doomed));
  ASSIGN_OR_RETURN(Statement remove, database.Kept("DELETE FROM event WHERE position = ?"));
  for (const Doomed& row : doomed) {
    remove.Again();
    RETURN_IF_ERROR(remove.Bind(row.position).Run());
  }
  ASSIGN_OR_RETURN(Statement count,
                   database.Kept("UPDATE state SET value = value - ? WHERE name = 'events'"));
  RETURN_IF_ERROR(count.Bind(static_cast<int64_t>(doomed.size())).Run());
  ASSIGN_OR_RETURN(const int64_t first,
                   database.Int("SELECT ifnull(min(position), 9223372036854775807) FROM event"));
  return DropTextBefore(database, first);
}

absl::StatusOr<uint64_t> DeleteRejected(Database& database, const std::string& which,
                                        int64_t uploaded_ns) {
  ASSIGN_OR_RETURN(
      Statement remove,
      database.Kept(fmt::format("DELETE FROM rejected WHERE id IN (SELECT id FROM rejected "
                                "WHERE uploaded_ns {} ORDER BY uploaded_ns LIMIT {})",
                                which, kRows)));
  RETURN_IF_ERROR(remove.Bind(uploaded_ns).Run());
  return static_cast<uint64_t>(database.Changes());
}

}  // namespace

absl::StatusOr<uint64_t> PruneEventsBefore(Database& database, int64_t uploaded_ns) {
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database, true));
  std::vector<Doomed> doomed;
  {
    ASSIGN_OR_RETURN(Statement rows,
                     database.Kept(fmt::format("SELECT {} FROM event e WHERE e.uploaded_ns < ? "
                                               "ORDER BY e.uploaded_ns LIMIT {}",
                                               kEventColumns, kRows)));
    rows.Bind(uploaded_ns);
    int64_t unused = 0;
    ASSIGN_OR_RETURN(doomed, Choose(rows, kBytes, unused));
  }
  if (doomed.empty()) return 0;
  RETURN_IF_ERROR(Delete(database, doomed));
  RETURN_IF_ERROR(transaction.Commit());
  return doomed.size();
}

absl::StatusOr<uint64_t> PruneOldestEvents(Database& database, uint64_t excess_bytes) {
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database, true));
  std::vector<Doomed> doomed;
  int64_t youngest_ns = std::numeric_limits<int64_t>::min();
  {
    ASSIGN_OR_RETURN(Statement rows, database.Kept(fmt::format("SELECT {} FROM event e "
                                                               "ORDER BY e.position LIMIT {}",
                                                               kEventColumns, kRows)));
    ASSIGN_OR_RETURN(doomed, Choose(rows, std::min(kBytes, excess_bytes), youngest_ns));
  }
  if (doomed.empty()) return 0;
  RETURN_IF_ERROR(Delete(database, doomed));
  RETURN_IF_ERROR(DeleteRejected(database, "<= ?", youngest_ns).status());
  RETURN_IF_ERROR(transaction.Commit());
  return doomed.size();
}

absl::StatusOr<uint64_t> PruneRejectedBefore(Database& database, int64_t uploaded_ns) {
  return DeleteRejected(database, "< ?", uploaded_ns);
}

absl::StatusOr<uint64_t> PruneOldestRejected(Database& database, uint64_t /*excess_bytes*/) {
  return DeleteRejected(database, "<= ?", std::numeric_limits<int64_t>::max());
}

absl::Status PruneMarksBefore(Database& database, int64_t uploaded_ns) {
  ASSIGN_OR_RETURN(Statement remove,
                   database.Kept("DELETE FROM high_water WHERE uploaded_ns < ? AND uploaded_ns < "
                                 "(SELECT max(h.uploaded_ns) FROM high_water h WHERE h.node = "
                                 "high_water.node)"));
  return remove.Bind(uploaded_ns).Run();
}

absl::StatusOr<uint64_t> LiveBytes(Database& database) {
  ASSIGN_OR_RETURN(const uint64_t file, FileBytes(database));
  ASSIGN_OR_RETURN(const int64_t free, database.Int("PRAGMA freelist_count"));
  ASSIGN_OR_RETURN(const int64_t page, database.Int("PRAGMA page_size"));
  return file - static_cast<uint64_t>(free * page);
}

absl::StatusOr<uint64_t> FileBytes(Database& database) {
  ASSIGN_OR_RETURN(const int64_t pages, database.Int("PRAGMA page_count"));
  ASSIGN_OR_RETURN(const int64_t page, database.Int("PRAGMA page_size"));
  return static_cast<uint64_t>(pages * page);
}

absl::StatusOr<bool> ShrinkStep(Database& database) {
  ASSIGN_OR_RETURN(const int64_t free, database.Int("PRAGMA freelist_count"));
  if (free == 0) return false;
  RETURN_IF_ERROR(database.Execute(fmt::format("PRAGMA incremental_vacuum({})", kPages)));
  return true;
}

}  // namespace huatuo
