// The store of profiles in one SQLite file (WAL) of its own: rows and blobs are written in one
// transaction, so that a kill at any moment leaves both or neither, and a large profile never holds
// up a commit of events (docs/decisions/0011-profile-store.md).
//
// As safe against kills and power cuts as the store of events; readers have connections of their
// own. Semantics: memory_profile_store.h.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apiserver/store/fair_lock.h"
#include "apiserver/store/profile_store.h"
#include "apiserver/store/sqlite.h"
#include "apiserver/store/sqlite_readers.h"

namespace huatuo {

class SqliteProfileStore : public ProfileStore {
 public:
  // Creates the file or brings it up to date. FailedPrecondition when it belongs to a newer version
  // or another program; Internal when it is no database. `max_pages` of 4 KiB may be in the file;
  // beyond it an append fails as on a full disk. 0: no limit.
  static absl::StatusOr<std::unique_ptr<SqliteProfileStore>> Open(const std::string& path,
                                                                  uint64_t max_pages = 0);

  absl::StatusOr<uint64_t> Append(std::span<const ProfileCommit> commits) override;
  absl::StatusOr<uint64_t> HighWater(std::string_view node, std::string_view epoch) override;
  absl::StatusOr<std::vector<StoredProfile>> Query(const ProfileFilter& filter, uint64_t before,
                                                   size_t limit) override;
  absl::StatusOr<std::optional<StoredProfile>> Get(std::string_view id) override;
  absl::StatusOr<std::optional<std::string>> Blob(std::string_view id) override;
  absl::StatusOr<uint64_t> Missing(std::string_view node, std::optional<int64_t> from_ns,
                                   std::optional<int64_t> to_ns) override;
  // Keeps the file with its WAL at or below max_bytes, unless that is less than an empty store.
  absl::StatusOr<uint64_t> Prune(const Retention& retention, int64_t now_ns) override;
  absl::StatusOr<ProfileUse> Use() override;

 private:
  using Step = std::function<absl::StatusOr<uint64_t>(Database&)>;

  SqliteProfileStore(std::string path, std::unique_ptr<Database> writer)
      : path_(std::move(path)), readers_(path_), writer_(std::move(writer)) {}
  absl::StatusOr<uint64_t> Write(std::span<const ProfileCommit> commits);
  absl::StatusOr<uint64_t> Repeat(const Step& step);
  void EmptyWal();
  uint64_t BytesOnDisk() const;

  const std::string path_;
  SqliteReaders readers_;
  FairLock write_lock_;
  std::unique_ptr<Database> writer_;  // under write_lock_
};

}  // namespace huatuo
