// Tasks as the store keeps them: what is searched for as columns, the rest as a document that the
// tasks stage reads and writes.
//
// A row is changed by saving all of it. Its version makes that safe between several writers: who
// saves what he read from an older version is told so and reads again. All functions block and are
// thread-safe. Errors as in store.h, and Aborted for an older version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace huatuo {

struct TaskRow {
  std::string id;         // unique
  uint64_t position = 0;  // by order of creation, from 1; set by the store
  uint64_t version = 0;   // 0: not stored yet; set by the store, one more with each save
  std::string tool;
  std::string state;     // one word
  int64_t ended_ns = 0;  // by the server's clock; 0: it has not ended
  std::string document;
  friend bool operator==(const TaskRow&, const TaskRow&) = default;
};

struct TaskFilter {
  bool open = false;  // only those that have not ended
  std::string state;  // each empty field matches all
  std::string tool;
};

// Aborted: the row was saved from version `row.version`, but `stored` is there.
absl::Status StaleTask(const TaskRow& row, uint64_t stored);

class TaskStore {
 public:
  // Ended tasks beyond this many go with the next Prune, the first that ended first.
  static constexpr uint64_t kMaxEnded = 10'000;

  virtual ~TaskStore() = default;

  // Stores the row and sets its position and version.
  virtual absl::Status Save(TaskRow& row) = 0;
  virtual absl::StatusOr<std::optional<TaskRow>> Find(std::string_view id) = 0;
  // Up to `limit`, the newest first, of those before position `before` (0: from the newest).
  virtual absl::StatusOr<std::vector<TaskRow>> List(const TaskFilter& filter, uint64_t before,
                                                    size_t limit) = 0;
  // Deletes tasks that ended before `ended_ns`, and those beyond kMaxEnded.
  virtual absl::Status Prune(int64_t ended_ns) = 0;
};

}  // namespace huatuo
