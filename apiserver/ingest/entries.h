// The entries of one stream, checked and turned into rows.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/ingest/document.h"
#include "apiserver/ingest/sequences.h"
#include "apiserver/store/exemplar.h"
#include "apiserver/store/store.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class EntryReader {
 public:
  // `high_water` as told to the node. Entries of the units in `refused` (index, reason) are
  // rejected. `issues` and `pods` must outlive the reader.
  EntryReader(const v1::Hello& hello, std::shared_ptr<const v1::Catalog> catalog,
              std::map<uint32_t, std::string> refused, uint64_t high_water,
              const KnownIssues* issues = nullptr, const PodIndex* pods = nullptr);

  struct Batch {
    NodeCommit commit;
    uint64_t duplicates = 0;            // at or below the high-water mark
    uint64_t missing = 0;               // sequences that gap rows of this batch cover
    uint64_t silenced = 0;              // events that a known issue keeps out of the store
    std::vector<ExemplarOf> exemplars;  // of the events of the commit
  };

  // InvalidArgument, with the sequence and the field, when an entry breaks a rule of the proto.
  // Where the stream begins beyond the high-water mark, a gap row says so.
  absl::StatusOr<Batch> Read(const v1::EntryBatch& batch, int64_t uploaded_ns);

 private:
  absl::Status Add(const v1::Entry& entry, Batch& batch);
  void CoverLost(uint64_t first, Batch& batch);
  void AddGap(v1::Gap gap, uint64_t last_sequence, Batch& batch) const;
  void AddEvent(const v1::Entry& entry, Batch& batch) const;
  absl::StatusOr<EventResult> Document(const v1::EventType& type, const v1::Entry& entry,
                                       int64_t uploaded_ns) const;

  const v1::Hello hello_;
  const std::shared_ptr<const v1::Catalog> catalog_;
  const std::map<uint32_t, std::string> refused_;
  const KnownIssues* const issues_;
  const PodIndex* const pods_;
  Sequences sequences_;
};

}  // namespace huatuo
