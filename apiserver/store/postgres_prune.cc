#include "apiserver/store/postgres_prune.h"

#include <chrono>
#include <thread>

#include "apiserver/store/postgres_writer.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

using Clock = std::chrono::steady_clock;

// Of steps that do not come about: a reader that keeps a partition is mostly done by then.
constexpr auto kPatience = std::chrono::seconds(3);
constexpr auto kPause = std::chrono::milliseconds(100);

absl::StatusOr<DayStep> Once(PostgresPool& pool, const std::string& kind,
                             const PostgresStep& step) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool.Borrow());
  ASSIGN_OR_RETURN(PostgresWriter writer, PostgresWriter::Begin(*session, kind, {}));
  ASSIGN_OR_RETURN(const DayStep done, step(*session));
  RETURN_IF_ERROR(writer.Commit());
  return done;
}

}  // namespace

absl::StatusOr<uint64_t> RepeatStep(PostgresPool& pool, const std::string& kind,
                                    const PostgresStep& step) {
  uint64_t rows = 0;
  Clock::time_point last_done = Clock::now();
  while (true) {
    const absl::StatusOr<DayStep> done = Once(pool, kind, step);
    if (!done.ok()) {
      if (Clock::now() - last_done > kPatience) return done.status();
      std::this_thread::sleep_for(kPause);
      continue;
    }
    last_done = Clock::now();
    rows += done->rows;
    if (!done->more) return rows;
  }
}

}  // namespace huatuo
