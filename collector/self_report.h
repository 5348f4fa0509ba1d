// What the collector costs and loses, as the `self` unit, NodeStatus and the governor see it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/task_ledger.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

struct ProfileReport {
  uint64_t taken = 0;      // from the units, by this process
  uint64_t delivered = 0;  // acked by the server, also those of earlier processes
  uint64_t spool_bytes = 0;
};

// A family that has more series than it may send.
struct FoldedFamily {
  std::string_view name;
  uint64_t series = 0;  // that are told as `~other`
};

struct SelfReport {
  v1::NodeStatus status;
  uint64_t series = 0;  // that the node has
  std::vector<FoldedFamily> folded;
  ProfileReport profiles;
  TaskLedger::Counts tasks;
};

}  // namespace huatuo
