#include "apiserver/store/postgres_days.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr int64_t kDayNs = 86'400'000'000'000;

// Of one step: some 20 ms.
constexpr int kRows = 1000;

// A partition that readers use is dropped at the next attempt instead of holding up the appends
// that come behind us.
constexpr std::string_view kDropWait = "SET LOCAL lock_timeout = '100ms'";

std::string NameOf(const std::string& kind, int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  return fmt::format("{}_{:04}{:02}{:02}", kind, static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

// "FROM (…) TO (…)" of a day; the first and the last one there can be are cut short.
std::string Bounds(int64_t day) {
  const __int128 first = static_cast<__int128>(day) * kDayNs;
  const __int128 least = std::numeric_limits<int64_t>::min();
  const __int128 end = first + kDayNs;
  return fmt::format(
      "FROM ({}) TO ({})", first < least ? "MINVALUE" : std::to_string(static_cast<int64_t>(first)),
      end > std::numeric_limits<int64_t>::max() ? "MAXVALUE"
                                                : std::to_string(static_cast<int64_t>(end)));
}

}  // namespace

int64_t PostgresDays::DayOf(int64_t uploaded_ns) {
  return uploaded_ns / kDayNs - (uploaded_ns % kDayNs < 0 ? 1 : 0);
}

absl::Status PostgresDays::Add(PgSession& session, const std::map<int64_t, Added>& days) const {
  for (const auto& [day, added] : days) {
    const PgArguments arguments = {kind_, std::to_string(day), std::to_string(added.rows),
                                   std::to_string(added.bytes)};
    ASSIGN_OR_RETURN(const PgResult counted,
                     session.Kept("UPDATE partition SET rows = rows + $3::bigint, "
                                  "live_bytes = live_bytes + $4::bigint, "
                                  "free_bytes = greatest(0, free_bytes - $4::bigint) "
                                  "WHERE kind = $1 AND day = $2::bigint",
                                  arguments));
    if (counted.changed() > 0) continue;
    RETURN_IF_ERROR(Create(session, day));
    RETURN_IF_ERROR(session
                        .Kept("INSERT INTO partition VALUES($1, $2::bigint, $5, $3::bigint, "
                              "$4::bigint, 0)",
                              {kind_, std::to_string(day), std::to_string(added.rows),
                               std::to_string(added.bytes), NameOf(kind_, day)})
                        .status());
  }
  return absl::OkStatus();
}

// Attached, because that leaves readers alone, while CREATE TABLE … PARTITION OF waits for them and
// makes others wait behind it.
absl::Status PostgresDays::Create(PgSession& session, int64_t day) const {
  const std::string name = NameOf(kind_, day);
  RETURN_IF_ERROR(
      session
          .Once(fmt::format("CREATE TABLE {} (LIKE {} INCLUDING STORAGE INCLUDING DEFAULTS)", name,
                            kind_))
          .status());
  return session
      .Once(
          fmt::format("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES {}", kind_, name, Bounds(day)))
      .status();
}

absl::StatusOr<std::vector<PostgresDays::Partition>> PostgresDays::Partitions(
    PgSession& session) const {
  ASSIGN_OR_RETURN(const PgResult rows,
                   session.Kept("SELECT day, name, rows, live_bytes, free_bytes, "
                                "coalesce(pg_total_relation_size(to_regclass(name)), 0) "
                                "FROM partition WHERE kind = $1 ORDER BY day",
                                {kind_}));
  std::vector<Partition> partitions;
  for (size_t i = 0; i < rows.size(); ++i) {
    partitions.push_back(
        {rows.Int(i, 0), std::string(rows.Raw(i, 1)), static_cast<uint64_t>(rows.Int(i, 2)),
         static_cast<uint64_t>(rows.Int(i, 3)), static_cast<uint64_t>(rows.Int(i, 4)),
         static_cast<uint64_t>(rows.Int(i, 5))});
  }
  return partitions;
}

absl::StatusOr<DayUse> PostgresDays::Use(PgSession& session) const {
  ASSIGN_OR_RETURN(const std::vector<Partition> partitions, Partitions(session));
  DayUse use;
  for (const Partition& p : partitions) {
    use.rows += p.rows;
    const double written = static_cast<double>(p.live_bytes + p.free_bytes);
    if (p.live_bytes == 0) continue;
    use.bytes += static_cast<uint64_t>(static_cast<double>(p.size) *
                                       static_cast<double>(p.live_bytes) / written);
  }
  use.partitions = partitions.size();
  return use;
}

absl::StatusOr<DayStep> PostgresDays::PruneBefore(PgSession& session, int64_t uploaded_ns) const {
  ASSIGN_OR_RETURN(const std::vector<Partition> partitions, Partitions(session));
  const int64_t limit = DayOf(uploaded_ns);
  for (const Partition& partition : partitions) {
    if (partition.day > limit) break;
    if (partition.day < limit) return Drop(session, partition);
    return Delete(
        session, partition,
        fmt::format("uploaded_ns < {} ORDER BY uploaded_ns LIMIT {}", uploaded_ns, kRows));
  }
  return DayStep{};
}

absl::StatusOr<DayStep> PostgresDays::PruneOldest(PgSession& session, uint64_t excess_bytes) const {
  ASSIGN_OR_RETURN(const std::vector<Partition> partitions, Partitions(session));
  if (partitions.empty()) return DayStep{};
  const Partition& oldest = partitions.front();
  if (partitions.size() > 1) return Drop(session, oldest);
  // What is counted of a row is not what it occupies: indexes add to it, compression takes off.
  const double counted = static_cast<double>(oldest.live_bytes + oldest.free_bytes);
  const auto excess =
      static_cast<uint64_t>(static_cast<double>(excess_bytes) * counted /
                            static_cast<double>(std::max<uint64_t>(oldest.size, 1)));
  return Delete(session, oldest,
                fmt::format("position < (SELECT coalesce(min(position) FILTER (WHERE before > {}), "
                            "max(position) + 1) FROM (SELECT position, sum(bytes) OVER "
                            "(ORDER BY position) - bytes AS before FROM (SELECT position, bytes "
                            "FROM {} ORDER BY position LIMIT {}) o) s)",
                            excess, oldest.name, kRows));
}

absl::StatusOr<DayStep> PostgresDays::Drop(PgSession& session, const Partition& partition) const {
  DayStep step{partition.rows, std::numeric_limits<int64_t>::max(), true};
  int64_t end = 0;
  if (!__builtin_mul_overflow(partition.day + 1, kDayNs, &end)) step.youngest_ns = end - 1;
  RETURN_IF_ERROR(session.Once(std::string(kDropWait)).status());
  RETURN_IF_ERROR(session.Once("DROP TABLE " + partition.name).status());
  RETURN_IF_ERROR(session
                      .Kept("DELETE FROM partition WHERE kind = $1 AND day = $2::bigint",
                            {kind_, std::to_string(partition.day)})
                      .status());
  return step;
}

absl::StatusOr<DayStep> PostgresDays::Delete(PgSession& session, const Partition& partition,
                                             const std::string& which) const {
  ASSIGN_OR_RETURN(
      const PgResult gone,
      session.Once(fmt::format("WITH gone AS (DELETE FROM {0} WHERE ctid = ANY(ARRAY(SELECT ctid "
                               "FROM {0} WHERE {1})) RETURNING bytes, uploaded_ns) "
                               "SELECT count(*), coalesce(sum(bytes), 0)::bigint, "
                               "coalesce(max(uploaded_ns), 0) FROM gone",
                               partition.name, which)));
  const DayStep step{static_cast<uint64_t>(gone.Int(0, 0)), gone.Int(0, 2), gone.Int(0, 0) > 0};
  RETURN_IF_ERROR(session
                      .Kept("UPDATE partition SET rows = rows - $3::bigint, "
                            "live_bytes = live_bytes - $4::bigint, "
                            "free_bytes = free_bytes + $4::bigint "
                            "WHERE kind = $1 AND day = $2::bigint",
                            {kind_, std::to_string(partition.day), std::to_string(step.rows),
                             std::to_string(gone.Int(0, 1))})
                      .status());
  return step;
}

}  // namespace huatuo
