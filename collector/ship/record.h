// One numbered entry on its way, as memory and spool keep it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// No entry of any kind is larger; a frame that says so is damaged.
constexpr size_t kMaxBodyBytes = 5 << 20;

struct Record {
  uint64_t first = 0;     // equals `sequence` but for a gap
  uint64_t sequence = 0;  // from 1
  int64_t from_ns = 0;    // wall time of what it tells about
  int64_t to_ns = 0;
  bool gap = false;
  std::string body;  // a v1.Entry or v1.ProfileEntry without its numbers; both write a gap alike

  uint64_t size() const { return sequence - first + 1; }
};

using SharedRecord = std::shared_ptr<const Record>;

// Events [first, sequence] do not exist any more, because of `cause`.
Record MakeGap(uint64_t first, uint64_t sequence, int64_t from_ns, int64_t to_ns,
               std::string_view cause);

// The entry as it is sent: a v1::Entry or a v1::ProfileEntry. `first` replaces that of a gap whose
// beginning the server knows already. A body that cannot be parsed becomes a gap "spool_corrupt".
template <typename Message = v1::Entry>
Message EntryOf(const Record& record, uint64_t first);

}  // namespace huatuo
