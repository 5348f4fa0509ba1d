// Connections for reading, as many as there are readers at a time; a few are kept open.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/store/sqlite.h"

namespace huatuo {

// Thread-safe; outlives what it lends.
class SqliteReaders {
 public:
  explicit SqliteReaders(std::string path) : path_(std::move(path)) {}

  // A connection for one thread, given back when destroyed.
  class Lease {
   public:
    Lease(SqliteReaders& owner, std::unique_ptr<Database> database)
        : owner_(&owner), database_(std::move(database)) {}
    Lease(Lease&&) noexcept = default;
    ~Lease() {
      if (database_ != nullptr) owner_->GiveBack(std::move(database_));
    }
    Database& operator*() const { return *database_; }
    Database* operator->() const { return database_.get(); }

   private:
    SqliteReaders* owner_;
    std::unique_ptr<Database> database_;
  };
  absl::StatusOr<Lease> Borrow();

 private:
  void GiveBack(std::unique_ptr<Database> database);

  const std::string path_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Database>> idle_;
};

}  // namespace huatuo
