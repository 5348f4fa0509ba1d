// A pod from the JSON of the Kubernetes API (v1.Pod). Only what Pod has is read; everything else
// may be anything. Pure and thread-safe.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/pods/pod.h"

namespace huatuo {

struct ParsedPod {
  Pod pod;
  // Labels and annotations that are not kept, because they would make events too large: longer than
  // 1 KiB, or beyond 64 of a pod.
  uint64_t texts_left_out = 0;
};

// `annotations` are the names of those that are wanted. InvalidArgument, with the field, when the
// pod has no uid, name or namespace.
absl::StatusOr<ParsedPod> ParsePod(const boost::json::object& pod,
                                   const std::vector<std::string>& annotations);

}  // namespace huatuo
