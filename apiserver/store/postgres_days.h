// The daily partitions of a table that is partitioned by uploaded_ns: made when the first row of a
// day comes, dropped when retention has passed the day.
//
// What a partition holds is counted in the transaction that changes it. PostgreSQL gives the room
// of deleted rows to later rows of the same partition, not to the system: what a partition occupies
// is its size without the share of what was deleted.
//
// All functions are called within a transaction that holds the lock of the kind
// (postgres_writer.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/store/postgres.h"

namespace huatuo {

struct DayUse {
  uint64_t rows = 0;
  uint64_t bytes = 0;
  uint64_t partitions = 0;
};

struct DayStep {
  uint64_t rows = 0;        // that went
  int64_t youngest_ns = 0;  // no row that went was uploaded later; when rows > 0
  bool more = false;        // false: nothing is left to do
};

class PostgresDays {
 public:
  // `kind` is the table's name.
  explicit constexpr PostgresDays(const char* kind) : kind_(kind) {}

  struct Added {
    uint64_t rows = 0;
    uint64_t bytes = 0;
  };
  static int64_t DayOf(int64_t uploaded_ns);

  // Makes the partitions that are missing, by day, and counts what is about to be written there.
  absl::Status Add(PgSession& session, const std::map<int64_t, Added>& days) const;

  // Of all partitions; needs no lock.
  absl::StatusOr<DayUse> Use(PgSession& session) const;

  // Drops the oldest partition when all of it is from before `uploaded_ns`, else deletes some of
  // its rows that are.
  absl::StatusOr<DayStep> PruneBefore(PgSession& session, int64_t uploaded_ns) const;

  // Drops the oldest partition; when there is no other, deletes of its lowest positions what
  // occupies about `excess_bytes`.
  absl::StatusOr<DayStep> PruneOldest(PgSession& session, uint64_t excess_bytes) const;

 private:
  struct Partition {
    int64_t day = 0;
    std::string name;
    uint64_t rows = 0;
    uint64_t live_bytes = 0;
    uint64_t free_bytes = 0;
    uint64_t size = 0;  // on disk, with indexes
  };
  absl::Status Create(PgSession& session, int64_t day) const;
  absl::StatusOr<std::vector<Partition>> Partitions(PgSession& session) const;
  absl::StatusOr<DayStep> Drop(PgSession& session, const Partition& partition) const;
  absl::StatusOr<DayStep> Delete(PgSession& session, const Partition& partition,
                                 const std::string& which) const;

  const char* const kind_;
};

}  // namespace huatuo
