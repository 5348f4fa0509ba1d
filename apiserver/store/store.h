// What every store can do, and what the words mean. The in-memory store defines the semantics; the
// semantics test (test/apiserver/store) holds every other one against it.
//
// Rows are ordered by *position*: a number that grows with each commit of the store, so that a
// reader who goes on after a position misses nothing that is committed later. Time ranges of
// retention go by `uploaded_ns`, the server's clock, because a node's clock may be anything.
//
// All functions block and are thread-safe. Errors: Unavailable (try again: locked, disk full, ...),
// InvalidArgument (a cursor that is none), Internal (a corrupt file).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/store/tasks.h"

namespace huatuo {

// Who a row is about; every filter by namespace, pod or container matches any subject.
struct SubjectRow {
  std::string role;  // empty: the harmed one
  std::string container_id;
  std::string container_name;
  std::string namespace_name;
  std::string pod_name;
  std::string pod_uid;
  friend bool operator==(const SubjectRow&, const SubjectRow&) = default;
};

struct EventRow {
  uint64_t sequence = 0;
  std::string tracer_id;    // canonical UUID text, unique
  std::string tracer_name;  // "oom", or "gap" and "not_observed" for what is missing
  std::string task_id;      // empty: tracer_type auto
  int64_t tracer_time_ns = 0;
  std::vector<SubjectRow> subjects;
  std::string document;  // the event document, JSON text, what readers get byte for byte
  friend bool operator==(const EventRow&, const EventRow&) = default;
};

// An entry that can never be stored as an event.
struct RejectedRow {
  uint64_t sequence = 0;
  std::string reason;
  std::string entry;  // serialized v1.Entry, at most 4 KiB of it
  friend bool operator==(const RejectedRow&, const RejectedRow&) = default;
};

// Entries of one (node, epoch), in order.
struct NodeCommit {
  std::string node;
  std::string epoch;        // 32 lower-case hex digits
  uint64_t high_water = 0;  // the last sequence that these entries cover
  int64_t uploaded_ns = 0;
  std::vector<EventRow> events;
  std::vector<RejectedRow> rejected;
};

class Appender {
 public:
  virtual ~Appender() = default;

  // Stores all commits in one transaction, or nothing. Entries at or below the stored high-water
  // mark of their (node, epoch) are skipped: a node that sends twice is stored once. Returns how
  // many events were new.
  virtual absl::StatusOr<uint64_t> Append(std::span<const NodeCommit> commits) = 0;

  // 0 when nothing of this (node, epoch) is stored.
  virtual absl::StatusOr<uint64_t> HighWater(std::string_view node, std::string_view epoch) = 0;
};

struct EventFilter {
  std::optional<int64_t> from_ns;  // tracer time, inclusive
  std::optional<int64_t> to_ns;    // exclusive
  std::string tracer;              // each empty field matches all
  std::string node;
  std::string namespace_name;
  std::string pod;        // name or uid
  std::string container;  // name, or id by a prefix of 12 or more characters
  std::string task_id;
  std::string text;  // every word of it occurs in the document, any case
};

struct StoredEvent {
  uint64_t position = 0;
  EventRow row;
  std::string node;
  int64_t uploaded_ns = 0;
};

enum class Order { kNewestFirst, kOldestFirst };

// How many events of a tracer there are in one step of time.
struct EventCount {
  int64_t from_ns = 0;  // where the step begins
  std::string tracer;
  uint64_t events = 0;
  friend bool operator==(const EventCount&, const EventCount&) = default;
};

class Querier {
 public:
  virtual ~Querier() = default;

  // Up to `limit` rows beyond `after` (0: from the start of the order), by position.
  virtual absl::StatusOr<std::vector<StoredEvent>> Query(const EventFilter& filter, Order order,
                                                         uint64_t after, size_t limit) = 0;

  // How many rows match, by step of tracer time and by tracer; in that order, without zeros. Steps
  // begin at the multiples of `step_ns` (> 0) since 1970.
  virtual absl::StatusOr<std::vector<EventCount>> Count(const EventFilter& filter,
                                                        int64_t step_ns) = 0;

  // By tracer id; nullopt when there is none.
  virtual absl::StatusOr<std::optional<StoredEvent>> Get(std::string_view tracer_id) = 0;

  // The position of the newest row, 0 when empty.
  virtual absl::StatusOr<uint64_t> Newest() = 0;

  virtual absl::StatusOr<std::vector<RejectedRow>> Rejected(std::string_view node,
                                                            size_t limit) = 0;
};

struct Retention {
  int64_t max_age_ns = 0;  // by uploaded time; 0: no limit
  uint64_t max_bytes = 0;  // what the store occupies; 0: no limit
};

struct StoreUse {
  uint64_t events = 0;
  uint64_t bytes = 0;
  int64_t oldest_uploaded_ns = 0;  // 0 when empty
  friend bool operator==(const StoreUse&, const StoreUse&) = default;
};

// Small facts that outlive a restart: catalogs by hash, the last known state of each node.
// `kind` is a fixed word of the caller ("catalog", "node").
class FactStore {
 public:
  virtual ~FactStore() = default;
  virtual absl::Status Put(std::string_view kind, std::string_view key, std::string_view value) = 0;
  // Puts when what is there is `expected` (nullopt: nothing), in one step; false: it is not.
  virtual absl::StatusOr<bool> Swap(std::string_view kind, std::string_view key,
                                    std::optional<std::string_view> expected,
                                    std::string_view value) = 0;
  virtual absl::StatusOr<std::optional<std::string>> Fact(std::string_view kind,
                                                          std::string_view key) = 0;
  virtual absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Facts(
      std::string_view kind) = 0;
};

class Store : public Appender, public Querier, public FactStore {
 public:
  virtual TaskStore& tasks() = 0;

  // Deletes tasks that ended before max_age, and the oldest rows until `retention` holds at
  // `now_ns`; returns how many went. Works in steps small enough that appends are never held up for
  // more than about 100 ms.
  virtual absl::StatusOr<uint64_t> Prune(const Retention& retention, int64_t now_ns) = 0;
  virtual absl::StatusOr<StoreUse> Use() = 0;
};

}  // namespace huatuo
