// A store of profiles in the memory of the process: the definition of what such a store does.
//
// What profile_store.h leaves open is settled here:
// * Positions count from 1 and are never used again.
// * The high-water mark never falls, and covers every sequence that was stored or is a gap.
// * A gap of which only a part is above the high-water mark is stored whole: whoever makes it has
//   left out what is covered.
// * Prune by age removes every profile and gap whose uploaded_ns is before now - max_age, and the
//   marks of epochs that ended (the node has a newer one) and are as old; by size the lowest
//   positions first, together with the gaps that are no younger.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "apiserver/store/profile_store.h"

namespace huatuo {

class MemoryProfileStore : public ProfileStore {
 public:
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
  struct Entry {
    StoredProfile profile;
    std::string blob;
    uint64_t size = 0;  // of it all
  };
  struct Mark {
    uint64_t high_water = 0;
    int64_t uploaded_ns = 0;
  };
  struct Gap {
    std::string node;
    ProfileGap gap;
  };
  using Entries = std::map<uint64_t, Entry>;

  uint64_t AppendOne(const ProfileCommit& commit);
  bool Insert(const ProfileCommit& commit, const NewProfile& added);
  Entries::iterator Erase(Entries::iterator entry);
  void PruneAge(int64_t before_ns);
  const Entry* Find(std::string_view id) const;

  mutable std::mutex mutex_;
  uint64_t last_position_ = 0;
  uint64_t bytes_ = 0;
  Entries entries_;
  absl::flat_hash_map<std::string, uint64_t> by_id_;
  std::map<std::pair<std::string, std::string>, Mark> marks_;  // (node, epoch)
  std::multimap<int64_t, Gap> gaps_;                           // by uploaded_ns
};

}  // namespace huatuo
