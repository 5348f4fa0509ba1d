// Files of SQLite stores: whose they are, their tables, and connections to them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "apiserver/store/sqlite.h"

namespace huatuo {

struct SqliteSchema {
  // Tells our file from any other SQLite database, and one of our stores from the other.
  int64_t application = 0;
  // Migration n brings `PRAGMA user_version` from n to n + 1. Released ones are never edited.
  std::span<const char* const> migrations;
  int cache_kib = 0;  // of the writer
};

// Opens the file for writing: creates it (WAL, incremental vacuum), or brings its tables up to
// date. FailedPrecondition when a newer program wrote it or it is another program's database.
absl::StatusOr<std::unique_ptr<Database>> OpenForWriting(const std::string& path,
                                                         const SqliteSchema& schema);

// A connection that cannot write, to a file that OpenForWriting has seen.
absl::StatusOr<std::unique_ptr<Database>> OpenReader(const std::string& path);

}  // namespace huatuo
