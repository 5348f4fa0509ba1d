// One transaction that writes rows of a kind ("event", "profile").
//
// Positions must grow in the order in which readers come to see the rows, or a reader who goes on
// behind the last position it saw misses rows that are committed later with lower ones. So whoever
// gives positions of a kind holds the kind's row in `counter` locked, from before it reads the
// counter until its commit is visible: PostgreSQL makes a commit visible before it frees the locks
// of its transaction. Numbers of a transaction that is undone are given again, so that there are no
// gaps but those of retention. Writers on other apiservers wait for the lock and see, when they
// have it, the marks and ids of who came before; that is why an entry is stored once, wherever it
// arrives. Retention takes the same lock first, so that nobody waits in a circle.
//
// Marks are high-water marks of (node, epoch), read and written in the transaction.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/store/postgres.h"

namespace huatuo {

// Undone when destroyed before Commit.
class PostgresWriter {
 public:
  using NodeEpoch = std::pair<std::string, std::string>;

  // Takes the kind's lock and reads the marks of `nodes`.
  static absl::StatusOr<PostgresWriter> Begin(PgSession& session, const std::string& kind,
                                              const std::vector<NodeEpoch>& nodes);

  PgSession& session() const { return *session_; }

  uint64_t Mark(const NodeEpoch& node) const;
  // A mark never falls, nor does its time.
  void Raise(const NodeEpoch& node, uint64_t sequence, int64_t uploaded_ns);

  // The position of one more row.
  int64_t NextPosition() { return ++position_; }

  // Writes the counter and the marks, and commits.
  absl::Status Commit();

 private:
  struct HighWater {
    uint64_t sequence = 0;
    int64_t uploaded_ns = INT64_MIN;
    bool raised = false;
  };
  PostgresWriter(PgSession& session, PgTransaction transaction, std::string kind)
      : session_(&session), transaction_(std::move(transaction)), kind_(std::move(kind)) {}
  absl::Status Lock();
  absl::Status LoadMarks(const std::vector<NodeEpoch>& nodes);
  absl::Status WriteMarks();

  PgSession* session_;
  PgTransaction transaction_;
  std::string kind_;
  int64_t first_position_ = 0;  // the counter as it was
  int64_t position_ = 0;
  std::map<NodeEpoch, HighWater> marks_;
};

// The stored mark, 0 when there is none.
absl::StatusOr<uint64_t> PostgresMark(PgSession& session, const std::string& kind,
                                      std::string_view node, std::string_view epoch);

// Marks of epochs that ended, last used before `uploaded_ns`.
absl::Status PrunePostgresMarks(PgSession& session, const std::string& kind, int64_t uploaded_ns);

}  // namespace huatuo
