#include "apiserver/store/sqlite_profile_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "apiserver/store/sqlite_file.h"
#include "apiserver/store/sqlite_prune.h"
#include "apiserver/store/subjects.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr int64_t kApplication = 0x48554150;  // "HUAP"
constexpr int kCacheKib = 8192;

constexpr const char* kMigrations[] = {R"(
CREATE TABLE profile(
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  sequence INTEGER NOT NULL,
  time_ns INTEGER NOT NULL,
  duration_ns INTEGER NOT NULL,
  uploaded_ns INTEGER NOT NULL,
  id TEXT NOT NULL,
  unit TEXT NOT NULL,
  type TEXT NOT NULL,
  task_id TEXT NOT NULL,
  node TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  containers TEXT NOT NULL,
  document TEXT NOT NULL);
CREATE UNIQUE INDEX profile_id ON profile(id);
CREATE INDEX profile_node ON profile(node);
CREATE INDEX profile_task ON profile(task_id) WHERE task_id != '';
CREATE INDEX profile_uploaded ON profile(uploaded_ns);
CREATE TABLE blob(position INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE container(
  kind INTEGER NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY(kind, key, position)) WITHOUT ROWID;
CREATE INDEX container_position ON container(position);
CREATE TABLE gap(
  id INTEGER PRIMARY KEY,
  node TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, cause TEXT NOT NULL,
  from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, uploaded_ns INTEGER NOT NULL);
CREATE INDEX gap_uploaded ON gap(uploaded_ns);
CREATE TABLE high_water(
  node TEXT NOT NULL, epoch TEXT NOT NULL, sequence INTEGER NOT NULL, uploaded_ns INTEGER NOT NULL,
  PRIMARY KEY(node, epoch)) WITHOUT ROWID;
)"};

// Of one step of retention.
constexpr int kRows = 50;
constexpr uint64_t kBytes = 4 << 20;

// One Append.
class Appending {
 public:
  explicit Appending(Database& database) : database_(database) {}

  absl::StatusOr<uint64_t> Run(std::span<const ProfileCommit> commits) {
    for (const ProfileCommit& commit : commits) RETURN_IF_ERROR(Add(commit));
    return added_;
  }

 private:
  absl::Status Add(const ProfileCommit& commit) {
    ASSIGN_OR_RETURN(const uint64_t before, HighWater(commit));
    uint64_t high_water = std::max(before, commit.high_water);
    for (const NewProfile& profile : commit.profiles) {
      if (profile.row.sequence <= before) continue;
      high_water = std::max(high_water, profile.row.sequence);
      ASSIGN_OR_RETURN(const bool stored, IsStored(profile.row.id));
      if (!stored) RETURN_IF_ERROR(Insert(commit, profile));
    }
    for (const ProfileGap& gap : commit.gaps) {
      if (gap.last_sequence <= before) continue;
      high_water = std::max(high_water, gap.last_sequence);
      RETURN_IF_ERROR(InsertGap(commit, gap));
    }
    return SetHighWater(commit, high_water);
  }

  absl::StatusOr<uint64_t> HighWater(const ProfileCommit& commit) {
    ASSIGN_OR_RETURN(
        Statement mark,
        database_.Kept("SELECT sequence FROM high_water WHERE node = ? AND epoch = ?"));
    ASSIGN_OR_RETURN(const bool found, mark.Bind(commit.node).Bind(commit.epoch).Step());
    return found ? static_cast<uint64_t>(mark.Int(0)) : 0;
  }

  absl::Status SetHighWater(const ProfileCommit& commit, uint64_t high_water) {
    ASSIGN_OR_RETURN(
        Statement mark,
        database_.Kept("INSERT INTO high_water VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                       "sequence = excluded.sequence, "
                       "uploaded_ns = max(uploaded_ns, excluded.uploaded_ns)"));
    mark.Bind(commit.node).Bind(commit.epoch).Bind(static_cast<int64_t>(high_water));
    return mark.Bind(commit.uploaded_ns).Run();
  }

  absl::StatusOr<bool> IsStored(const std::string& id) {
    ASSIGN_OR_RETURN(Statement row, database_.Kept("SELECT 1 FROM profile WHERE id = ?"));
    return row.Bind(id).Step();
  }

  absl::Status Insert(const ProfileCommit& commit, const NewProfile& added) {
    ASSIGN_OR_RETURN(Statement statement,
                     database_.Kept("INSERT INTO profile(sequence, time_ns, duration_ns, "
                                    "uploaded_ns, id, unit, type, task_id, node, bytes, "
                                    "containers, document) "
                                    "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    const ProfileRow& row = added.row;
    const std::string containers = SubjectsText(row.containers);
    statement.Bind(static_cast<int64_t>(row.sequence)).Bind(row.time_ns).Bind(row.duration_ns);
    statement.Bind(commit.uploaded_ns).Bind(row.id).Bind(row.unit).Bind(row.type);
    statement.Bind(row.task_id).Bind(commit.node).Bind(static_cast<int64_t>(added.blob.size()));
    RETURN_IF_ERROR(statement.Bind(containers).Bind(row.document).Run());
    ++added_;
    const int64_t position = database_.LastRowid();
    RETURN_IF_ERROR(InsertContainers(row.containers, position));
    ASSIGN_OR_RETURN(Statement blob, database_.Kept("INSERT INTO blob VALUES(?, ?)"));
    return blob.Bind(position).BindBlob(added.blob).Run();
  }

  absl::Status InsertContainers(const std::vector<SubjectRow>& containers, int64_t position) {
    ASSIGN_OR_RETURN(Statement insert,
                     database_.Kept("INSERT OR IGNORE INTO container VALUES(?, ?, ?)"));
    const auto add = [&](int64_t kind, const std::string& key) {
      if (key.empty()) return absl::OkStatus();
      insert.Again();
      return insert.Bind(kind).Bind(key).Bind(position).Run();
    };
    for (const SubjectRow& container : containers) {
      RETURN_IF_ERROR(add(kContainerName, container.container_name));
      RETURN_IF_ERROR(add(kContainerId, container.container_id));
      RETURN_IF_ERROR(add(kNamespace, container.namespace_name));
      RETURN_IF_ERROR(add(kPod, container.pod_name));
      RETURN_IF_ERROR(add(kPod, container.pod_uid));
    }
    return absl::OkStatus();
  }

  absl::Status InsertGap(const ProfileCommit& commit, const ProfileGap& gap) {
    ASSIGN_OR_RETURN(Statement row,
                     database_.Kept("INSERT INTO gap(node, first, last, cause, from_ns, to_ns, "
                                    "uploaded_ns) VALUES(?, ?, ?, ?, ?, ?, ?)"));
    row.Bind(commit.node).Bind(static_cast<int64_t>(gap.first_sequence));
    row.Bind(static_cast<int64_t>(gap.last_sequence)).Bind(gap.cause);
    return row.Bind(gap.from_ns).Bind(gap.to_ns).Bind(commit.uploaded_ns).Run();
  }

  Database& database_;
  uint64_t added_ = 0;
};

struct Doomed {
  std::vector<int64_t> positions;
  int64_t youngest_ns = std::numeric_limits<int64_t>::min();
};

// The first rows of `rows`, which selects position, bytes and uploaded_ns, until the step is full.
absl::StatusOr<Doomed> Choose(Statement& rows, uint64_t max_bytes) {
  Doomed doomed;
  for (uint64_t bytes = 0; bytes < max_bytes;) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) break;
    doomed.positions.push_back(rows.Int(0));
    bytes += static_cast<uint64_t>(rows.Int(1));
    doomed.youngest_ns = std::max(doomed.youngest_ns, rows.Int(2));
  }
  return doomed;
}

absl::Status Delete(Database& database, const std::vector<int64_t>& positions) {
  for (const char* table : {"container", "blob", "profile"}) {
    ASSIGN_OR_RETURN(Statement remove,
                     database.Kept(fmt::format("DELETE FROM {} WHERE position = ?", table)));
    for (const int64_t position : positions) {
      remove.Again();
      RETURN_IF_ERROR(remove.Bind(position).Run());
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenProfileWriter(const std::string& path) {
  return OpenForWriting(path, {kApplication, kMigrations, kCacheKib});
}

absl::StatusOr<uint64_t> AppendProfiles(Database& database,
                                        std::span<const ProfileCommit> commits) {
  return Appending(database).Run(commits);
}

absl::StatusOr<StoredProfile> ReadProfile(const Statement& row) {
  StoredProfile profile;
  profile.position = static_cast<uint64_t>(row.Int(0));
  profile.row.sequence = static_cast<uint64_t>(row.Int(1));
  profile.row.time_ns = row.Int(2);
  profile.row.duration_ns = row.Int(3);
  profile.uploaded_ns = row.Int(4);
  profile.row.id = row.Text(5);
  profile.row.unit = row.Text(6);
  profile.row.type = row.Text(7);
  profile.row.task_id = row.Text(8);
  profile.node = row.Text(9);
  profile.bytes = static_cast<uint64_t>(row.Int(10));
  ASSIGN_OR_RETURN(profile.row.containers, ParseSubjects(row.Text(11)));
  profile.row.document = row.Text(12);
  return profile;
}

absl::StatusOr<uint64_t> PruneProfilesBefore(Database& database, int64_t uploaded_ns) {
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database, true));
  Doomed doomed;
  {
    ASSIGN_OR_RETURN(Statement rows,
                     database.Kept(fmt::format("SELECT position, bytes, uploaded_ns FROM profile "
                                               "WHERE uploaded_ns < ? ORDER BY uploaded_ns "
                                               "LIMIT {}",
                                               kRows)));
    rows.Bind(uploaded_ns);
    ASSIGN_OR_RETURN(doomed, Choose(rows, kBytes));
  }
  if (doomed.positions.empty()) return 0;
  RETURN_IF_ERROR(Delete(database, doomed.positions));
  RETURN_IF_ERROR(transaction.Commit());
  return doomed.positions.size();
}

absl::StatusOr<uint64_t> PruneOldestProfiles(Database& database, uint64_t excess_bytes) {
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database, true));
  Doomed doomed;
  {
    ASSIGN_OR_RETURN(Statement rows,
                     database.Kept(fmt::format("SELECT position, bytes, uploaded_ns FROM profile "
                                               "ORDER BY position LIMIT {}",
                                               kRows)));
    ASSIGN_OR_RETURN(doomed, Choose(rows, std::min(kBytes, excess_bytes)));
  }
  if (doomed.positions.empty()) return 0;
  RETURN_IF_ERROR(Delete(database, doomed.positions));
  ASSIGN_OR_RETURN(Statement gaps, database.Kept("DELETE FROM gap WHERE uploaded_ns <= ?"));
  RETURN_IF_ERROR(gaps.Bind(doomed.youngest_ns).Run());
  RETURN_IF_ERROR(transaction.Commit());
  return doomed.positions.size();
}

absl::Status PruneGapsBefore(Database& database, int64_t uploaded_ns) {
  {
    ASSIGN_OR_RETURN(Statement gaps, database.Kept("DELETE FROM gap WHERE uploaded_ns < ?"));
    RETURN_IF_ERROR(gaps.Bind(uploaded_ns).Run());
  }
  return PruneMarksBefore(database, uploaded_ns);
}

}  // namespace huatuo
