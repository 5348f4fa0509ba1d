// What the tests of the stores share.
#pragma once

#include <fmt/format.h>
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "apiserver/store/store.h"
#include "common/status.h"

namespace huatuo {

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/store_test.XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string operator/(std::string_view name) const { return fmt::format("{}/{}", path_, name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The value, or an exception that fails the test with the status.
template <typename T>
T Get(absl::StatusOr<T> value) {
  INFO(Message(value.status()));
  REQUIRE(value.ok());
  return *std::move(value);
}

inline EventRow MakeEvent(std::string_view node, uint64_t sequence, size_t bytes = 16) {
  EventRow event;
  event.sequence = sequence;
  event.tracer_id = fmt::format("{}-{:08}", node, sequence);
  event.tracer_name = sequence % 3 == 0 ? "oom" : "softlockup";
  event.tracer_time_ns = static_cast<int64_t>(sequence) * 1000;
  event.document = std::string(bytes, 'd');
  return event;
}

// Events first to last of the node, uploaded at their sequence.
inline NodeCommit MakeCommit(const std::string& node, uint64_t first, uint64_t last,
                             size_t bytes = 16) {
  NodeCommit commit{node, "e", last, static_cast<int64_t>(last), {}, {}};
  for (uint64_t s = first; s <= last; ++s) commit.events.push_back(MakeEvent(node, s, bytes));
  return commit;
}

// All rows, oldest first, read page by page.
inline std::vector<StoredEvent> All(Store& store, size_t page = 500) {
  std::vector<StoredEvent> all;
  while (true) {
    const uint64_t after = all.empty() ? 0 : all.back().position;
    std::vector<StoredEvent> rows = Get(store.Query({}, Order::kOldestFirst, after, page));
    if (rows.empty()) return all;
    for (StoredEvent& row : rows) all.push_back(std::move(row));
  }
}

// "3 events, 1 to 3" when the sequences of the rows are just that, once each and in order.
inline std::string Sequences(const std::vector<StoredEvent>& rows) {
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].row.sequence == rows[i - 1].row.sequence + 1) continue;
    return fmt::format("{} after {}", rows[i].row.sequence, rows[i - 1].row.sequence);
  }
  if (rows.empty()) return "none";
  return fmt::format("{} events, {} to {}", rows.size(), rows.front().row.sequence,
                     rows.back().row.sequence);
}

}  // namespace huatuo
