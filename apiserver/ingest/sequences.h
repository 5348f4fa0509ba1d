// The numbers of the entries of one stream: without holes, from where the store ends.
//
// Not thread-safe.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace huatuo {

class Sequences {
 public:
  // `high_water` as told to the node, `next` as the node told it.
  Sequences(uint64_t high_water, uint64_t next) : covered_(high_water), next_(next) {}

  // Whether an entry that stands for [first, last] may come now; `is_gap`: as a gap record.
  //
  // The sequences of a stream grow by one. Only the first may lie beyond the high-water mark, up to
  // `next`: a store that lost what it had once acknowledged. InvalidArgument otherwise.
  absl::Status Check(uint64_t first, uint64_t last, bool is_gap) const;

  // The entry that was checked has come; it is new when its last is above covered().
  void Saw(uint64_t last) { last_ = last; }

  // Every sequence up to here is stored or was taken.
  uint64_t covered() const { return covered_; }
  void Cover(uint64_t last) { covered_ = last; }

 private:
  uint64_t covered_;
  uint64_t next_;
  uint64_t last_ = 0;  // of this stream; 0: none yet
};

}  // namespace huatuo
