#include "apiserver/store/sqlite_readers.h"

#include "apiserver/store/sqlite_file.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr size_t kMaxIdle = 8;

}  // namespace

absl::StatusOr<SqliteReaders::Lease> SqliteReaders::Borrow() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Lease lease(*this, std::move(idle_.back()));
      idle_.pop_back();
      return lease;
    }
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, OpenReader(path_));
  return Lease(*this, std::move(database));
}

void SqliteReaders::GiveBack(std::unique_ptr<Database> database) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(database));
}

}  // namespace huatuo
