// Retention in small transactions, each under the lock of whoever writes the kind.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "apiserver/store/postgres_days.h"
#include "apiserver/store/postgres_pool.h"

namespace huatuo {

using PostgresStep = std::function<absl::StatusOr<DayStep>(PgSession& session)>;

// Does steps until one finds nothing to do; others may write between two. Returns how many rows
// went. A step that readers hold up is tried again for a while.
absl::StatusOr<uint64_t> RepeatStep(PostgresPool& pool, const std::string& kind,
                                    const PostgresStep& step);

}  // namespace huatuo
