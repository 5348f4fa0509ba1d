// A task as JSON asks for it:
//
//   {"tool": "dropwatch", "parameters": {"limit_per_second": 5, "filter": "tcp"},
//    "target": {"nodes": ["n1"]}, "duration_seconds": 10}
//
// Pure and thread-safe.
#pragma once

#include <boost/json/value.hpp>

#include "apiserver/tasks/task.h"
#include "common/refusal.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

constexpr int64_t kMaxTaskSeconds = 86'400;

// Reads `body` into `spec`; objects to what is missing, surplus, of the wrong kind or out of any
// node's range. The values of parameters are checked by CheckUnit.
Objection ReadTaskSpec(const boost::json::value& body, TaskSpec& spec);

// Whether the unit of a node's catalog that is called like the tool takes this task. `catalog` may
// be that of all nodes: what none of them has is then the objection.
Objection CheckUnit(const v1::Catalog& catalog, const TaskSpec& spec);

}  // namespace huatuo
