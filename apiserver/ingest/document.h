// The event document: what every reader of an event gets, byte for byte.
//
// Pure and thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "apiserver/ingest/known_issues.h"
#include "apiserver/pods/pod_index.h"
#include "apiserver/store/store.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// What the server knows beside the entry.
struct Origin {
  const v1::Hello& hello;
  int64_t uploaded_ns = 0;
  const KnownIssues* issues = nullptr;  // null: nothing is known already
  const PodIndex* pods = nullptr;       // null: there is no cluster
};

struct EventResult {
  EventRow row;
  bool silenced = false;  // by a known issue: not to be stored
};

// The row of an event that has been checked against `type`. InvalidArgument when it can never be
// stored: larger than 1 MiB, or a number that JSON cannot say. What a task asked for is labelled by
// known issues, never silenced.
absl::StatusOr<EventResult> EventDocument(const Origin& origin, const v1::EventType& type,
                                          const v1::Entry& entry);

// What is missing is a document too: sequences [first_sequence, last_sequence] will never come.
EventRow GapDocument(const Origin& origin, const v1::Gap& gap, uint64_t last_sequence);

// ... and nobody watched in [from, to).
EventRow NotObservedDocument(const Origin& origin, const v1::NotObserved& not_observed,
                             uint64_t sequence);

}  // namespace huatuo
