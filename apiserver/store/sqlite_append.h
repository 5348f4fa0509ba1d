// Commits of nodes into the tables of the SQLite store.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/store/sqlite.h"
#include "apiserver/store/store.h"

namespace huatuo {

// One Append, inside a write transaction of the caller; after an error that is to be undone.
class SqliteAppend {
 public:
  explicit SqliteAppend(Database& database) : database_(database) {}

  // Returns how many events were new.
  absl::StatusOr<uint64_t> Run(std::span<const NodeCommit> commits);

 private:
  absl::Status Add(const NodeCommit& commit);
  absl::StatusOr<uint64_t> HighWater(const NodeCommit& commit);
  absl::Status SetHighWater(const NodeCommit& commit, uint64_t high_water);
  absl::StatusOr<bool> IsStored(const NodeCommit& commit, const EventRow& event);
  absl::Status Insert(const NodeCommit& commit, const EventRow& event);
  absl::Status Reject(const NodeCommit& commit, const RejectedRow& row);
  absl::Status InsertPostings();

  Database& database_;
  uint64_t added_ = 0;
  std::vector<std::pair<int64_t, int64_t>> postings_;  // (posting, position) of all new events
};

}  // namespace huatuo
