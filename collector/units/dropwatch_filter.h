// A filter's text as the conditions that bpf/dropwatch.bpf.c compares with.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "bpf/dropwatch.h"
#include "collector/kernel/drop_reasons.h"

namespace huatuo {

// InvalidArgument names the place and what is accepted, also for a reason that `reasons` does not
// have. Pure.
absl::StatusOr<drop_filter> MakeDropFilter(std::string_view text, const DropReasons& reasons);

}  // namespace huatuo
