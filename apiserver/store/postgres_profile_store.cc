#include "apiserver/store/postgres_profile_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "apiserver/store/filter.h"
#include "apiserver/store/postgres_conditions.h"
#include "apiserver/store/postgres_profile_append.h"
#include "apiserver/store/postgres_prune.h"
#include "apiserver/store/postgres_schema.h"
#include "apiserver/store/postgres_text.h"
#include "apiserver/store/postgres_writer.h"
#include "apiserver/store/profile_filter.h"
#include "apiserver/store/subjects.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr const char* kProfile = "profile";
constexpr PostgresDays kDays(kProfile);

// Of one page of a search.
constexpr size_t kRows = 500;

constexpr std::string_view kColumns =
    "position, sequence, time_ns, duration_ns, uploaded_ns, id, unit, type, task_id, node, "
    "blob_bytes, containers, document";

absl::StatusOr<StoredProfile> Read(const PgResult& rows, size_t i) {
  StoredProfile profile;
  profile.position = static_cast<uint64_t>(rows.Int(i, 0));
  profile.row.sequence = static_cast<uint64_t>(rows.Int(i, 1));
  profile.row.time_ns = rows.Int(i, 2);
  profile.row.duration_ns = rows.Int(i, 3);
  profile.uploaded_ns = rows.Int(i, 4);
  profile.row.id = rows.Text(i, 5);
  profile.row.unit = rows.Text(i, 6);
  profile.row.type = rows.Text(i, 7);
  profile.row.task_id = rows.Text(i, 8);
  profile.node = rows.Text(i, 9);
  profile.bytes = static_cast<uint64_t>(rows.Int(i, 10));
  ASSIGN_OR_RETURN(profile.row.containers, ParseSubjects(rows.Text(i, 11)));
  profile.row.document = rows.Text(i, 12);
  return profile;
}

PostgresConditions ConditionsOf(const ProfileFilter& filter) {
  PostgresConditions conditions;
  const std::vector<int64_t> postings = PostingsOf(filter);
  if (!postings.empty()) conditions.Add("postings @>", "bigint[]", IntArray(postings));
  if (filter.from_ns) {
    conditions.Add("time_ns + duration_ns >=", "bigint", std::to_string(*filter.from_ns));
  }
  if (filter.to_ns) conditions.Add("time_ns <", "bigint", std::to_string(*filter.to_ns));
  return conditions;
}

absl::StatusOr<PgResult> Page(PgSession& session, PostgresConditions conditions, uint64_t before) {
  if (before > 0) conditions.Add("position <", "bigint", std::to_string(before));
  return session.Once(fmt::format("SELECT {} FROM profile WHERE true{} "
                                  "ORDER BY position DESC LIMIT {}",
                                  kColumns, conditions.sql(), kRows),
                      conditions.arguments());
}

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresProfileStore>> PostgresProfileStore::Open(
    const PostgresOptions& options) {
  std::unique_ptr<PostgresProfileStore> store(new PostgresProfileStore(options));
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, store->pool_.Borrow());
  RETURN_IF_ERROR(MigratePostgres(*session));
  return store;
}

absl::StatusOr<uint64_t> PostgresProfileStore::Append(std::span<const ProfileCommit> commits) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  return AppendPostgresProfiles(*session, commits);
}

absl::StatusOr<uint64_t> PostgresProfileStore::HighWater(std::string_view node,
                                                         std::string_view epoch) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  return PostgresMark(*session, kProfile, node, epoch);
}

absl::StatusOr<std::vector<StoredProfile>> PostgresProfileStore::Query(const ProfileFilter& filter,
                                                                       uint64_t before,
                                                                       size_t limit) {
  RETURN_IF_ERROR(CheckCursor(before));
  const PostgresConditions conditions = ConditionsOf(filter);
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  std::vector<StoredProfile> found;
  while (found.size() < limit) {
    ASSIGN_OR_RETURN(const PgResult rows, Page(*session, conditions, before));
    for (size_t i = 0; i < rows.size() && found.size() < limit; ++i) {
      ASSIGN_OR_RETURN(StoredProfile profile, Read(rows, i));
      before = profile.position;
      if (Matches(filter, profile.row, profile.node)) found.push_back(std::move(profile));
    }
    if (rows.size() < kRows) break;
  }
  return found;
}

absl::StatusOr<std::optional<StoredProfile>> PostgresProfileStore::Get(std::string_view id) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(const PgResult rows,
                   session->Kept(fmt::format("SELECT {} FROM profile WHERE id = $1", kColumns),
                                 {EncodeText(id)}));
  if (rows.empty()) return std::nullopt;
  ASSIGN_OR_RETURN(StoredProfile profile, Read(rows, 0));
  return profile;
}

absl::StatusOr<std::optional<std::string>> PostgresProfileStore::Blob(std::string_view id) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(const PgResult rows,
                   session->Kept("SELECT blob FROM profile WHERE id = $1", {EncodeText(id)}));
  if (rows.empty()) return std::nullopt;
  return rows.Text(0, 0);
}

absl::StatusOr<uint64_t> PostgresProfileStore::Missing(std::string_view node,
                                                       std::optional<int64_t> from_ns,
                                                       std::optional<int64_t> to_ns) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(
      const PgResult sum,
      session->Kept(
          "SELECT coalesce(sum(last - first + 1), 0)::bigint FROM gap "
          "WHERE ($1 = '' OR node = $1) AND "
          "((from_ns = 0 AND to_ns = 0) OR (to_ns >= $2::bigint AND from_ns < $3::bigint))",
          {EncodeText(node), std::to_string(from_ns.value_or(std::numeric_limits<int64_t>::min())),
           std::to_string(to_ns.value_or(std::numeric_limits<int64_t>::max()))}));
  return static_cast<uint64_t>(sum.Int(0, 0));
}

absl::StatusOr<uint64_t> PostgresProfileStore::Prune(const Retention& retention, int64_t now_ns) {
  uint64_t by_age = 0;
  if (retention.max_age_ns > 0) {
    ASSIGN_OR_RETURN(by_age, PruneAge(now_ns - retention.max_age_ns));
  }
  if (retention.max_bytes == 0) return by_age;
  const auto step = [&](PgSession& session) -> absl::StatusOr<DayStep> {
    ASSIGN_OR_RETURN(const DayUse use, kDays.Use(session));
    if (use.bytes <= retention.max_bytes) return DayStep{};
    ASSIGN_OR_RETURN(const DayStep done,
                     kDays.PruneOldest(session, use.bytes - retention.max_bytes));
    if (done.rows == 0) return done;
    RETURN_IF_ERROR(session
                        .Kept("DELETE FROM gap WHERE uploaded_ns <= $1::bigint",
                              {std::to_string(done.youngest_ns)})
                        .status());
    return done;
  };
  ASSIGN_OR_RETURN(const uint64_t by_size, RepeatStep(pool_, kProfile, step));
  return by_age + by_size;
}

absl::StatusOr<uint64_t> PostgresProfileStore::PruneAge(int64_t before_ns) {
  ASSIGN_OR_RETURN(const uint64_t profiles, RepeatStep(pool_, kProfile, [&](PgSession& session) {
                     return kDays.PruneBefore(session, before_ns);
                   }));
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  RETURN_IF_ERROR(
      session->Kept("DELETE FROM gap WHERE uploaded_ns < $1::bigint", {std::to_string(before_ns)})
          .status());
  RETURN_IF_ERROR(PrunePostgresMarks(*session, kProfile, before_ns));
  return profiles;
}

absl::StatusOr<ProfileUse> PostgresProfileStore::Use() {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(const DayUse use, kDays.Use(*session));
  return ProfileUse{use.rows, use.bytes};
}

}  // namespace huatuo
