#include "apiserver/store/sqlite_profile_store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "apiserver/store/filter.h"
#include "apiserver/store/profile_filter.h"
#include "apiserver/store/sqlite_profile_tables.h"
#include "apiserver/store/sqlite_prune.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// What the WAL may occupy of max_bytes between two prunings: SQLite copies it into the file after
// 1000 pages, and one commit may have twice the largest group.
constexpr uint64_t kWalBytes = 24 << 20;

// How long emptying the WAL waits for readers, and a statement for a lock.
constexpr int kEmptyMs = 100;
constexpr int kBusyMs = 5000;

uint64_t FileSize(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

// The conditions that `filter` sets, with their arguments in the same order.
class Where {
 public:
  Where(const ProfileFilter& filter, uint64_t before) : filter_(filter), before_(before) {
    if (before > 0) text_ += " AND p.position < ?";
    if (!filter.task_id.empty()) text_ += " AND p.task_id = ? AND p.task_id != ''";
    if (!filter.node.empty()) text_ += " AND p.node = ?";
    if (!filter.unit.empty()) text_ += " AND p.unit = ?";
    if (filter.from_ns) text_ += " AND p.time_ns + p.duration_ns >= ?";
    if (filter.to_ns) text_ += " AND p.time_ns < ?";
    // Each may be of another container: what is found still has to match.
    if (!filter.namespace_name.empty()) text_ += HasKey(kNamespace);
    if (!filter.pod.empty()) text_ += HasKey(kPod);
    if (filter.container.empty()) return;
    text_ += fmt::format(
        " AND p.position IN (SELECT position FROM container WHERE kind = {} AND key = ?",
        int{kContainerName});
    if (ByIdToo()) {
      text_ += fmt::format(
          " UNION SELECT position FROM container WHERE kind = {} AND key >= ? AND key < ?",
          int{kContainerId});
    }
    text_ += ")";
  }

  const std::string& text() const { return text_; }

  void Bind(Statement& statement) const {
    if (before_ > 0) statement.Bind(static_cast<int64_t>(before_));
    for (const std::string* name : {&filter_.task_id, &filter_.node, &filter_.unit}) {
      if (!name->empty()) statement.Bind(*name);
    }
    if (filter_.from_ns) statement.Bind(*filter_.from_ns);
    if (filter_.to_ns) statement.Bind(*filter_.to_ns);
    for (const std::string* key : {&filter_.namespace_name, &filter_.pod, &filter_.container}) {
      if (!key->empty()) statement.Bind(*key);
    }
    if (filter_.container.empty()) return;
    if (ByIdToo()) statement.Bind(filter_.container).Bind(beyond_);
  }

 private:
  static std::string HasKey(ProfileKeyKind kind) {
    return fmt::format(
        " AND p.position IN (SELECT position FROM container WHERE kind = {} AND key = ?)",
        int{kind});
  }
  bool ByIdToo() const { return filter_.container.size() >= kContainerIdPrefix; }

  const ProfileFilter& filter_;
  const uint64_t before_;
  // Above every id that begins with the filter's digits: no text has the byte 0xff.
  const std::string beyond_ = filter_.container + '\xff';
  std::string text_ = "WHERE true";
};

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteProfileStore>> SqliteProfileStore::Open(
    const std::string& path, uint64_t max_pages) {
  ASSIGN_OR_RETURN(std::unique_ptr<Database> writer, OpenProfileWriter(path));
  if (max_pages > 0) {
    RETURN_IF_ERROR(writer->Execute(fmt::format("PRAGMA max_page_count = {}", max_pages)));
  }
  return std::unique_ptr<SqliteProfileStore>(new SqliteProfileStore(path, std::move(writer)));
}

absl::StatusOr<uint64_t> SqliteProfileStore::Append(std::span<const ProfileCommit> commits) {
  const std::lock_guard lock(write_lock_);
  absl::StatusOr<uint64_t> added = Write(commits);
  // When the disk is full, an emptied WAL may be the room that the next attempt needs.
  if (!added.ok()) EmptyWal();
  return added;
}

absl::StatusOr<uint64_t> SqliteProfileStore::Write(std::span<const ProfileCommit> commits) {
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*writer_, true));
  ASSIGN_OR_RETURN(const uint64_t added, AppendProfiles(*writer_, commits));
  RETURN_IF_ERROR(transaction.Commit());
  return added;
}

absl::StatusOr<uint64_t> SqliteProfileStore::HighWater(std::string_view node,
                                                       std::string_view epoch) {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(Statement mark,
                   reader->Kept("SELECT sequence FROM high_water WHERE node = ? AND epoch = ?"));
  ASSIGN_OR_RETURN(const bool found, mark.Bind(node).Bind(epoch).Step());
  return found ? static_cast<uint64_t>(mark.Int(0)) : 0;
}

absl::StatusOr<std::vector<StoredProfile>> SqliteProfileStore::Query(const ProfileFilter& filter,
                                                                     uint64_t before,
                                                                     size_t limit) {
  RETURN_IF_ERROR(CheckCursor(before));
  const Where where(filter, before);
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(Statement row,
                   reader->Kept(fmt::format("SELECT {} FROM profile p {} ORDER BY p.position DESC",
                                            kProfileColumns, where.text())));
  where.Bind(row);
  std::vector<StoredProfile> found;
  while (found.size() < limit) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) break;
    ASSIGN_OR_RETURN(StoredProfile profile, ReadProfile(row));
    if (Matches(filter, profile.row, profile.node)) found.push_back(std::move(profile));
  }
  return found;
}

absl::StatusOr<std::optional<StoredProfile>> SqliteProfileStore::Get(std::string_view id) {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(Statement row, reader->Kept(fmt::format(
                                      "SELECT {} FROM profile p WHERE p.id = ?", kProfileColumns)));
  ASSIGN_OR_RETURN(const bool found, row.Bind(id).Step());
  if (!found) return std::nullopt;
  ASSIGN_OR_RETURN(StoredProfile profile, ReadProfile(row));
  return profile;
}

absl::StatusOr<std::optional<std::string>> SqliteProfileStore::Blob(std::string_view id) {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(Statement row, reader->Kept("SELECT bytes FROM blob WHERE position = "
                                               "(SELECT position FROM profile WHERE id = ?)"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(id).Step());
  if (!found) return std::nullopt;
  return std::string(row.Text(0));
}

absl::StatusOr<uint64_t> SqliteProfileStore::Missing(std::string_view node,
                                                     std::optional<int64_t> from_ns,
                                                     std::optional<int64_t> to_ns) {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(
      Statement sum,
      reader->Kept("SELECT sum(last - first + 1) FROM gap WHERE (?1 = '' OR node = ?1) AND "
                   "((from_ns = 0 AND to_ns = 0) OR (to_ns >= ?2 AND from_ns < ?3))"));
  sum.Bind(node).Bind(from_ns.value_or(std::numeric_limits<int64_t>::min()));
  sum.Bind(to_ns.value_or(std::numeric_limits<int64_t>::max()));
  RETURN_IF_ERROR(sum.Step().status());
  return static_cast<uint64_t>(sum.Int(0));
}

absl::StatusOr<uint64_t> SqliteProfileStore::Prune(const Retention& retention, int64_t now_ns) {
  {
    // On a full disk the WAL has to be emptied before a deletion finds room in it.
    const std::lock_guard lock(write_lock_);
    EmptyWal();
  }
  uint64_t by_age = 0;
  if (retention.max_age_ns > 0) {
    const int64_t before_ns = now_ns - retention.max_age_ns;
    ASSIGN_OR_RETURN(by_age,
                     Repeat([&](Database& d) { return PruneProfilesBefore(d, before_ns); }));
    const std::lock_guard lock(write_lock_);
    RETURN_IF_ERROR(PruneGapsBefore(*writer_, before_ns));
  }
  if (retention.max_bytes == 0) return by_age;
  const uint64_t target = retention.max_bytes - std::min(kWalBytes, retention.max_bytes / 8);
  ASSIGN_OR_RETURN(const uint64_t by_size,
                   Repeat([&](Database& database) -> absl::StatusOr<uint64_t> {
                     ASSIGN_OR_RETURN(const uint64_t live, LiveBytes(database));
                     return live > target ? PruneOldestProfiles(database, live - target) : 0;
                   }));
  // Free pages stay in the file for the next profiles, unless the file itself is too large.
  RETURN_IF_ERROR(Repeat([&](Database& database) -> absl::StatusOr<uint64_t> {
                    ASSIGN_OR_RETURN(const uint64_t file, FileBytes(database));
                    if (file <= target) return 0;
                    ASSIGN_OR_RETURN(const bool more, ShrinkStep(database));
                    return more ? 1 : 0;
                  }).status());
  const std::lock_guard lock(write_lock_);
  EmptyWal();
  return by_age + by_size;
}

// Does steps until one finds nothing to do; others may write between two.
absl::StatusOr<uint64_t> SqliteProfileStore::Repeat(const Step& step) {
  uint64_t total = 0;
  for (uint64_t done = 1; done > 0; total += done) {
    const std::lock_guard lock(write_lock_);
    ASSIGN_OR_RETURN(done, step(*writer_));
  }
  return total;
}

// Where readers are in the way, or the disk, the WAL stays as it is: what it holds is as safe
// there.
void SqliteProfileStore::EmptyWal() {
  sqlite3* connection = writer_->connection();
  sqlite3_busy_timeout(connection, kEmptyMs);
  sqlite3_wal_checkpoint_v2(connection, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  sqlite3_busy_timeout(connection, kBusyMs);
}

absl::StatusOr<ProfileUse> SqliteProfileStore::Use() {
  ASSIGN_OR_RETURN(const SqliteReaders::Lease reader, readers_.Borrow());
  ASSIGN_OR_RETURN(const int64_t profiles, reader->Int("SELECT count(*) FROM profile"));
  return ProfileUse{static_cast<uint64_t>(profiles), BytesOnDisk()};
}

uint64_t SqliteProfileStore::BytesOnDisk() const {
  return FileSize(path_) + FileSize(path_ + "-wal");
}

}  // namespace huatuo
