// Profiles: rows to find them by, and a blob each. The in-memory store defines the semantics
// (memory_profile_store.h); the semantics test (test/apiserver/store) holds every other one against
// it.
//
// Rows are ordered by *position*, as events are (store.h), but apart from them: profiles have
// sequences, epochs and a retention of their own. A row is there exactly when its blob is.
//
// All functions block and are thread-safe. Errors: Unavailable (try again: locked, disk full, ...),
// InvalidArgument (a cursor that is none), Internal (a corrupt file).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/store/store.h"

namespace huatuo {

struct ProfileRow {
  uint64_t sequence = 0;
  std::string id;  // canonical UUID text, unique
  std::string unit;
  std::string type;     // name of one of the unit's profile types
  std::string task_id;  // empty: of the instance that is always open
  int64_t time_ns = 0;  // of its beginning, by the node's clock
  int64_t duration_ns = 0;
  std::vector<SubjectRow> containers;  // in it, each once; roles are empty
  std::string document;                // JSON text, the item of lists that readers get
  friend bool operator==(const ProfileRow&, const ProfileRow&) = default;
};

struct NewProfile {
  ProfileRow row;
  std::string blob;  // PackProfile of it (profile_blob.h); not empty
};

// Profiles [first_sequence, last_sequence] of a node will never come, or could not be taken.
struct ProfileGap {
  uint64_t first_sequence = 0;
  uint64_t last_sequence = 0;
  std::string cause;
  int64_t from_ns = 0;  // the node's clock; 0 when unknown
  int64_t to_ns = 0;
  friend bool operator==(const ProfileGap&, const ProfileGap&) = default;
};

// Entries of one (node, epoch), in order.
struct ProfileCommit {
  std::string node;
  std::string epoch;        // 32 lower-case hex digits
  uint64_t high_water = 0;  // the last sequence that these entries cover
  int64_t uploaded_ns = 0;
  std::vector<NewProfile> profiles;
  std::vector<ProfileGap> gaps;
};

class ProfileAppender {
 public:
  virtual ~ProfileAppender() = default;

  // Stores all commits in one transaction, or nothing. Entries at or below the stored high-water
  // mark of their (node, epoch) are skipped, and so is a profile whose id is stored. Returns how
  // many profiles were new.
  virtual absl::StatusOr<uint64_t> Append(std::span<const ProfileCommit> commits) = 0;

  // 0 when nothing of this (node, epoch) is stored.
  virtual absl::StatusOr<uint64_t> HighWater(std::string_view node, std::string_view epoch) = 0;
};

// Each empty field matches all.
struct ProfileFilter {
  std::string task_id{};
  std::string node{};
  std::string unit{};
  // One container in it has them all.
  std::string namespace_name{};
  std::string pod{};                 // name or uid
  std::string container{};           // name, or 12 or more first digits of its id
  std::optional<int64_t> from_ns{};  // a profile matches when it lasts until this or longer ...
  std::optional<int64_t> to_ns{};    // ... and begins before this
};

struct StoredProfile {
  uint64_t position = 0;
  ProfileRow row;
  std::string node;
  int64_t uploaded_ns = 0;
  uint64_t bytes = 0;  // of its blob
};

class ProfileQuerier {
 public:
  virtual ~ProfileQuerier() = default;

  // Up to `limit` rows, the newest position first, below `before` (0: from the newest).
  virtual absl::StatusOr<std::vector<StoredProfile>> Query(const ProfileFilter& filter,
                                                           uint64_t before, size_t limit) = 0;

  virtual absl::StatusOr<std::optional<StoredProfile>> Get(std::string_view id) = 0;

  // What PackProfile made; nullopt when there is no such profile. LoadProfile unpacks it.
  virtual absl::StatusOr<std::optional<std::string>> Blob(std::string_view id) = 0;

  // How many profiles of `node` (empty: any) are known to be missing in [from_ns, to_ns); gaps
  // without a time count always.
  virtual absl::StatusOr<uint64_t> Missing(std::string_view node, std::optional<int64_t> from_ns,
                                           std::optional<int64_t> to_ns) = 0;
};

struct ProfileUse {
  uint64_t profiles = 0;
  uint64_t bytes = 0;  // what the store occupies
  friend bool operator==(const ProfileUse&, const ProfileUse&) = default;
};

class ProfileStore : public ProfileAppender, public ProfileQuerier {
 public:
  // Deletes the oldest profiles until `retention` holds at `now_ns`; returns how many went. Works
  // in steps small enough that appends are never held up for more than about 100 ms.
  virtual absl::StatusOr<uint64_t> Prune(const Retention& retention, int64_t now_ns) = 0;
  virtual absl::StatusOr<ProfileUse> Use() = 0;
};

}  // namespace huatuo
