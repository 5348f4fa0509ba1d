#include "apiserver/store/sqlite_store.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "apiserver/store/filter.h"
#include "apiserver/store/sqlite_append.h"
#include "apiserver/store/sqlite_count.h"
#include "apiserver/store/sqlite_prune.h"
#include "apiserver/store/sqlite_rows.h"
#include "apiserver/store/sqlite_schema.h"
#include "apiserver/store/sqlite_search.h"
#include "apiserver/store/sqlite_text.h"
#include "common/status.h"
#include "common/status_macros.h"
#include "common/thread_name.h"

namespace huatuo {
namespace {

// Pages of WAL after which it is copied into the file (16 MiB: each page that many commits change
// is then copied once), and after which the writer waits for the readers in order to begin it anew.
constexpr int kCheckpointPages = 4096;
constexpr int kRestartPages = 16384;

// What the WAL may occupy of max_bytes between two prunings.
constexpr uint64_t kWalBytes = uint64_t{kCheckpointPages} * 4096;

// How long that waits for readers; a query that takes longer only postpones it.
constexpr int kRestartMs = 100;
constexpr int kBusyMs = 5000;

constexpr auto kIndexRetry = std::chrono::seconds(1);
// Rows that are not in the index yet are found by reading them: what comes in the meantime is one
// step, and a step has costs of its own.
constexpr auto kIndexSpacing = std::chrono::milliseconds(250);

uint64_t FileSize(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                               const SqliteOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<Database> writer, OpenWriter(path));
  if (options.max_pages > 0) {
    RETURN_IF_ERROR(writer->Execute(fmt::format("PRAGMA max_page_count = {}", options.max_pages)));
  }
  return std::unique_ptr<SqliteStore>(new SqliteStore(path, std::move(writer)));
}

SqliteStore::SqliteStore(std::string path, std::unique_ptr<Database> writer)
    : path_(std::move(path)),
      readers_(path_),
      writer_(std::move(writer)),
      tasks_(write_lock_, *writer_, readers_),
      appends_(1) {
  // Takes the place of SQLite's own checkpoints.
  sqlite3_wal_hook(
      writer_->connection(),
      [](void* pages, sqlite3*, const char*, int count) {
        *static_cast<int*>(pages) = count;
        return SQLITE_OK;
      },
      &wal_pages_);
  indexer_ = std::jthread([this](const std::stop_token& stop) { IndexLoop(stop); });
}

SqliteStore::~SqliteStore() = default;

absl::StatusOr<uint64_t> SqliteStore::Append(std::span<const NodeCommit> commits) {
  uint64_t added = 0;
  {
    const std::lock_guard lock(write_lock_);
    absl::StatusOr<uint64_t> result = Write(commits);
    // When the disk is full, an emptied WAL may be the room that the next attempt needs.
    if (!result.ok()) Checkpoint(true);
    ASSIGN_OR_RETURN(added, std::move(result));
    if (wal_pages_ >= kCheckpointPages) Checkpoint(wal_pages_ >= kRestartPages);
  }
  const std::lock_guard lock(index_mutex_);
  ++appends_;
  index_changed_.notify_all();
  return added;
}

absl::StatusOr<uint64_t> SqliteStore::Write(std::span<const NodeCommit> commits) {
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*writer_, true));
  ASSIGN_OR_RETURN(const uint64_t added, SqliteAppend(*writer_).Run(commits));
  RETURN_IF_ERROR(transaction.Commit());
  return added;
}

absl::StatusOr<uint64_t> SqliteStore::HighWater(std::string_view node, std::string_view epoch) {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(Statement mark,
                   reader->Kept("SELECT sequence FROM high_water WHERE node = ? AND epoch = ?"));
  ASSIGN_OR_RETURN(const bool found, mark.Bind(node).Bind(epoch).Step());
  return found ? static_cast<uint64_t>(mark.Int(0)) : 0;
}

absl::StatusOr<std::vector<StoredEvent>> SqliteStore::Query(const EventFilter& filter, Order order,
                                                            uint64_t after, size_t limit) {
  RETURN_IF_ERROR(CheckCursor(after));
  const Matcher matcher(filter);
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  // One snapshot for all steps of the search.
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*reader, false));
  return Search(*reader, matcher, order, after, limit).Run();
}

absl::StatusOr<std::vector<EventCount>> SqliteStore::Count(const EventFilter& filter,
                                                           int64_t step_ns) {
  const Matcher matcher(filter);
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  return CountEvents(*reader, matcher, step_ns);
}

absl::StatusOr<std::optional<StoredEvent>> SqliteStore::Get(std::string_view tracer_id) {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(
      Statement row,
      reader->Kept(fmt::format("SELECT {} FROM event e WHERE e.tracer_id = ?", kEventColumns)));
  ASSIGN_OR_RETURN(const bool found, row.Bind(tracer_id).Step());
  if (!found) return std::nullopt;
  ASSIGN_OR_RETURN(StoredEvent event, ReadEvent(row));
  return event;
}

absl::StatusOr<uint64_t> SqliteStore::Newest() {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(const int64_t position, reader->Int("SELECT max(position) FROM event"));
  return static_cast<uint64_t>(position);
}

absl::StatusOr<std::vector<RejectedRow>> SqliteStore::Rejected(std::string_view node,
                                                               size_t limit) {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  const std::string_view where = node.empty() ? "?1 = ''" : "node = ?1";
  ASSIGN_OR_RETURN(Statement row,
                   reader->Kept(fmt::format("SELECT sequence, reason, entry FROM rejected "
                                            "WHERE {} ORDER BY uploaded_ns DESC, id DESC",
                                            where)));
  row.Bind(node);
  std::vector<RejectedRow> rows;
  while (rows.size() < limit) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) break;
    rows.push_back(
        {static_cast<uint64_t>(row.Int(0)), std::string(row.Text(1)), std::string(row.Text(2))});
  }
  return rows;
}

absl::Status SqliteStore::Put(std::string_view kind, std::string_view key, std::string_view value) {
  const std::lock_guard lock(write_lock_);
  ASSIGN_OR_RETURN(Statement put,
                   writer_->Kept("INSERT INTO fact VALUES(?, ?, ?) "
                                 "ON CONFLICT DO UPDATE SET value = excluded.value"));
  return put.Bind(kind).Bind(key).Bind(value).Run();
}

absl::StatusOr<bool> SqliteStore::Swap(std::string_view kind, std::string_view key,
                                       std::optional<std::string_view> expected,
                                       std::string_view value) {
  const std::lock_guard lock(write_lock_);
  if (!expected.has_value()) {
    ASSIGN_OR_RETURN(Statement put,
                     writer_->Kept("INSERT INTO fact VALUES(?, ?, ?) ON CONFLICT DO NOTHING"));
    RETURN_IF_ERROR(put.Bind(kind).Bind(key).Bind(value).Run());
    return writer_->Changes() == 1;
  }
  ASSIGN_OR_RETURN(Statement put, writer_->Kept("UPDATE fact SET value = ? "
                                                "WHERE kind = ? AND key = ? AND value = ?"));
  RETURN_IF_ERROR(put.Bind(value).Bind(kind).Bind(key).Bind(*expected).Run());
  return writer_->Changes() == 1;
}

absl::StatusOr<std::optional<std::string>> SqliteStore::Fact(std::string_view kind,
                                                             std::string_view key) {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(Statement row,
                   reader->Kept("SELECT value FROM fact WHERE kind = ? AND key = ?"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(kind).Bind(key).Step());
  if (!found) return std::nullopt;
  return std::string(row.Text(0));
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> SqliteStore::Facts(
    std::string_view kind) {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(Statement row,
                   reader->Kept("SELECT key, value FROM fact WHERE kind = ? ORDER BY key"));
  row.Bind(kind);
  std::vector<std::pair<std::string, std::string>> facts;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return facts;
    facts.emplace_back(row.Text(0), row.Text(1));
  }
}

absl::StatusOr<StoreUse> SqliteStore::Use() {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  StoreUse use;
  ASSIGN_OR_RETURN(const int64_t events,
                   reader->Int("SELECT value FROM state WHERE name = 'events'"));
  ASSIGN_OR_RETURN(use.oldest_uploaded_ns, reader->Int("SELECT min(uploaded_ns) FROM event"));
  use.events = static_cast<uint64_t>(events);
  use.bytes = BytesOnDisk();
  return use;
}

uint64_t SqliteStore::BytesOnDisk() const { return FileSize(path_) + FileSize(path_ + "-wal"); }

absl::StatusOr<uint64_t> SqliteStore::Prune(const Retention& retention, int64_t now_ns) {
  {
    // On a full disk the WAL has to be emptied before a deletion finds room in it.
    const std::lock_guard lock(write_lock_);
    Checkpoint(true);
  }
  RETURN_IF_ERROR(tasks_.Prune(retention.max_age_ns > 0 ? now_ns - retention.max_age_ns : 0));
  uint64_t events = 0;
  if (retention.max_age_ns > 0) {
    RETURN_IF_ERROR(PruneAge(now_ns - retention.max_age_ns, events));
  }
  if (retention.max_bytes > 0) RETURN_IF_ERROR(PruneSize(retention.max_bytes, events));
  return events;
}

// Does steps until one finds nothing to do; others may write between two.
absl::Status SqliteStore::Repeat(const Step& step, uint64_t& total) {
  for (uint64_t done = 1; done > 0; total += done) {
    const std::lock_guard lock(write_lock_);
    ASSIGN_OR_RETURN(done, step(*writer_));
    if (wal_pages_ >= kCheckpointPages) Checkpoint(wal_pages_ >= kRestartPages);
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::PruneAge(int64_t before_ns, uint64_t& events) {
  uint64_t refused = 0;
  RETURN_IF_ERROR(Repeat([&](Database& d) { return PruneEventsBefore(d, before_ns); }, events));
  RETURN_IF_ERROR(Repeat([&](Database& d) { return PruneRejectedBefore(d, before_ns); }, refused));
  const std::lock_guard lock(write_lock_);
  return PruneMarksBefore(*writer_, before_ns);
}

absl::Status SqliteStore::PruneSize(uint64_t max_bytes, uint64_t& events) {
  const uint64_t target = max_bytes - std::min(kWalBytes, max_bytes / 8);
  const auto while_above = [target](auto step) {
    return [target, step](Database& database) -> absl::StatusOr<uint64_t> {
      ASSIGN_OR_RETURN(const uint64_t live, LiveBytes(database));
      return live > target ? step(database, live - target) : 0;
    };
  };
  uint64_t refused = 0;
  RETURN_IF_ERROR(Repeat(while_above(&PruneOldestEvents), events));
  RETURN_IF_ERROR(Repeat(while_above(&PruneOldestRejected), refused));
  return Shrink(target);
}

// Free pages stay in the file for the next rows, unless the file itself is too large.
absl::Status SqliteStore::Shrink(uint64_t max_bytes) {
  uint64_t steps = 0;
  const auto step = [max_bytes](Database& database) -> absl::StatusOr<uint64_t> {
    ASSIGN_OR_RETURN(const uint64_t file, FileBytes(database));
    if (file <= max_bytes) return 0;
    ASSIGN_OR_RETURN(const bool more, ShrinkStep(database));
    return more ? 1 : 0;
  };
  RETURN_IF_ERROR(Repeat(step, steps));
  const std::lock_guard lock(write_lock_);
  Checkpoint(true);
  return absl::OkStatus();
}

// A checkpoint that did not come about leaves the commits in the WAL, where they are as safe; the
// next one tries again.
void SqliteStore::Checkpoint(bool truncate) {
  sqlite3* connection = writer_->connection();
  sqlite3_busy_timeout(connection, kRestartMs);
  const int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  const int code = sqlite3_wal_checkpoint_v2(connection, nullptr, mode, nullptr, nullptr);
  sqlite3_busy_timeout(connection, kBusyMs);
  if ((code & 0xff) == SQLITE_BUSY) return;
  const bool said = std::exchange(checkpoint_failed_, code != SQLITE_OK);
  if (code == SQLITE_OK || said) return;
  spdlog::warn("checkpoint: {}", Message(SqliteStatus(code, path_, sqlite3_errmsg(connection))));
}

absl::StatusOr<uint64_t> SqliteStore::IndexStep() {
  const std::lock_guard lock(write_lock_);
  ASSIGN_OR_RETURN(const uint64_t rows, IndexText(*writer_));
  if (wal_pages_ >= kCheckpointPages) Checkpoint(wal_pages_ >= kRestartPages);
  return rows;
}

void SqliteStore::IndexLoop(const std::stop_token& stop) {
  NameThread("index");
  std::unique_lock lock(index_mutex_);
  bool caught_up = true;
  // What is left at the end is done after the next start.
  while (index_changed_.wait(lock, stop, [this] { return appends_ > indexed_; })) {
    if (caught_up) {
      index_changed_.wait_for(lock, stop, kIndexSpacing, [this] { return index_awaited_ > 0; });
    }
    if (stop.stop_requested()) return;
    const uint64_t target = appends_;
    lock.unlock();
    const absl::StatusOr<uint64_t> rows = IndexStep();
    lock.lock();
    // A full disk lasts: said once, not at each attempt.
    if (!rows.ok() && index_status_.ok()) {
      spdlog::warn("full-text index: {}", Message(rows.status()));
    }
    index_status_ = rows.status();
    caught_up = rows.ok() && *rows == 0;
    if (caught_up) indexed_ = target;
    index_changed_.notify_all();
    if (!rows.ok()) index_changed_.wait_for(lock, stop, kIndexRetry, [] { return false; });
  }
}

absl::Status SqliteStore::AwaitIndex() {
  std::unique_lock lock(index_mutex_);
  const uint64_t target = appends_;
  ++index_awaited_;
  index_changed_.notify_all();
  index_changed_.wait(lock, [&] { return indexed_ >= target || !index_status_.ok(); });
  --index_awaited_;
  return index_status_;
}

}  // namespace huatuo
