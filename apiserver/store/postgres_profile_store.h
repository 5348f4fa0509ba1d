// The store of profiles in PostgreSQL: a row and its blob are one row of a table, so that a kill at
// any moment leaves both or neither, and no replica has what another has not.
//
// It has connections and a lock of its own beside the store of events, so that a large profile
// never holds up a commit of events. Semantics: memory_profile_store.h; the rest is as in
// postgres_store.h.
#pragma once

#include <memory>

#include "apiserver/store/postgres_pool.h"
#include "apiserver/store/profile_store.h"

namespace huatuo {

class PostgresProfileStore : public ProfileStore {
 public:
  // As PostgresStore::Open.
  static absl::StatusOr<std::unique_ptr<PostgresProfileStore>> Open(const PostgresOptions& options);

  absl::StatusOr<uint64_t> Append(std::span<const ProfileCommit> commits) override;
  absl::StatusOr<uint64_t> HighWater(std::string_view node, std::string_view epoch) override;
  absl::StatusOr<std::vector<StoredProfile>> Query(const ProfileFilter& filter, uint64_t before,
                                                   size_t limit) override;
  absl::StatusOr<std::optional<StoredProfile>> Get(std::string_view id) override;
  absl::StatusOr<std::optional<std::string>> Blob(std::string_view id) override;
  absl::StatusOr<uint64_t> Missing(std::string_view node, std::optional<int64_t> from_ns,
                                   std::optional<int64_t> to_ns) override;
  absl::StatusOr<uint64_t> Prune(const Retention& retention, int64_t now_ns) override;
  absl::StatusOr<ProfileUse> Use() override;

 private:
  explicit PostgresProfileStore(const PostgresOptions& options) : pool_(options) {}
  absl::StatusOr<uint64_t> PruneAge(int64_t before_ns);

  PostgresPool pool_;
};

}  // namespace huatuo
