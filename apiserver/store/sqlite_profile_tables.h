// The tables of the SQLite store of profiles.
//
//   profile    one row a profile; `position` is AUTOINCREMENT, so that it never comes back.
//              `containers` is a sequence of netstrings, as the subjects of events are
//   blob       by position, apart from the rows so that a search does not read over them
//   container  (kind, key, position): what the containers in a profile are found by
//   gap        what is missing
//   high_water of each (node, epoch), written in the transaction of its profiles
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/store/profile_store.h"
#include "apiserver/store/sqlite.h"

namespace huatuo {

// Of the table container; the numbers are stored.
enum ProfileKeyKind : int {
  kContainerName = 1,
  kContainerId = 2,
  kNamespace = 3,
  kPod = 4,  // name and uid
};

// As OpenForWriting of sqlite_file.h.
absl::StatusOr<std::unique_ptr<Database>> OpenProfileWriter(const std::string& path);

// One Append, inside a write transaction of the caller; after an error that is to be undone.
absl::StatusOr<uint64_t> AppendProfiles(Database& database, std::span<const ProfileCommit> commits);

// What ReadProfile expects to be selected, of `profile p`.
inline constexpr std::string_view kProfileColumns =
    "p.position, p.sequence, p.time_ns, p.duration_ns, p.uploaded_ns, p.id, p.unit, p.type, "
    "p.task_id, p.node, p.bytes, p.containers, p.document";

// Internal when the containers are not readable.
absl::StatusOr<StoredProfile> ReadProfile(const Statement& row);

// Each deletes a step of about 10 ms in a transaction of its own and returns how many profiles
// went, 0 when there are none left. By size, the gaps that are no younger go, too.
absl::StatusOr<uint64_t> PruneProfilesBefore(Database& database, int64_t uploaded_ns);
absl::StatusOr<uint64_t> PruneOldestProfiles(Database& database, uint64_t excess_bytes);

// Gaps, and marks of epochs that ended, from before `uploaded_ns`.
absl::Status PruneGapsBefore(Database& database, int64_t uploaded_ns);

}  // namespace huatuo
