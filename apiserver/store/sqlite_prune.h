// Retention of the SQLite store, one small transaction at a time.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/store/sqlite.h"

namespace huatuo {

// Each deletes a step of about 10 ms and returns how many rows went, 0 when there are none left.
absl::StatusOr<uint64_t> PruneEventsBefore(Database& database, int64_t uploaded_ns);
absl::StatusOr<uint64_t> PruneRejectedBefore(Database& database, int64_t uploaded_ns);

// The lowest positions, about `excess_bytes` of them when that is less, and the rejected rows that
// are no younger (not counted).
absl::StatusOr<uint64_t> PruneOldestEvents(Database& database, uint64_t excess_bytes);
absl::StatusOr<uint64_t> PruneOldestRejected(Database& database, uint64_t excess_bytes);

// High-water marks of epochs that ended, last used before `uploaded_ns`.
absl::Status PruneMarksBefore(Database& database, int64_t uploaded_ns);

// Bytes of the pages that hold something.
absl::StatusOr<uint64_t> LiveBytes(Database& database);
// Bytes of all pages.
absl::StatusOr<uint64_t> FileBytes(Database& database);

// Gives some free pages back to the file system (with the next checkpoint); false when there are
// none left.
absl::StatusOr<bool> ShrinkStep(Database& database);

}  // namespace huatuo
