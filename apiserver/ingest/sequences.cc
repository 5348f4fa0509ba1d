#include "apiserver/ingest/sequences.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "common/status.h"

namespace huatuo {

absl::Status Sequences::Check(uint64_t first, uint64_t last, bool is_gap) const {
  // Stores keep it as a signed number.
  if (last > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return InvalidArgument("sequence: above 2^63 - 1");
  }
  if (first == 0 || first > last) {
    return InvalidArgument(fmt::format("{}: {}: not in [1, {}]",
                                       is_gap ? "gap: first_sequence" : "sequence", first, last));
  }
  if (last_ != 0) {
    if (first <= last_ + 1 && last > last_) return absl::OkStatus();
    return InvalidArgument(fmt::format("sequence: after {}", last_));
  }
  if (first <= std::max(covered_ + 1, next_)) return absl::OkStatus();
  return InvalidArgument(
      fmt::format("sequence: beyond the high-water mark {} and next_sequence {}", covered_, next_));
}

}  // namespace huatuo
