// Commits of nodes into the tables of the PostgreSQL store of profiles.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/store/postgres.h"
#include "apiserver/store/profile_store.h"

namespace huatuo {

// As ProfileAppender::Append, in one transaction.
absl::StatusOr<uint64_t> AppendPostgresProfiles(PgSession& session,
                                                std::span<const ProfileCommit> commits);

// Under which a profile is filed and what one that matches the filter has: postings of filter.h,
// where the unit takes the place of the tracer.
std::vector<int64_t> PostingsOf(const ProfileRow& row, const std::string& node);
std::vector<int64_t> PostingsOf(const ProfileFilter& filter);

}  // namespace huatuo
