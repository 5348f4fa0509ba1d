// Commits of nodes into the tables of the PostgreSQL store.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "apiserver/store/postgres.h"
#include "apiserver/store/store.h"

namespace huatuo {

// As Appender::Append, in one transaction.
absl::StatusOr<uint64_t> AppendEvents(PgSession& session, std::span<const NodeCommit> commits);

}  // namespace huatuo
