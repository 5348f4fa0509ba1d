// The answers of the Kubernetes API to a list and a watch of pods, parsed.
//
// DataLoss when a text is not JSON, deeper than 64 levels, or not such an answer. Pure and
// thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/pods/pod.h"

namespace huatuo {

// One chunk of a list.
struct PodPage {
  std::vector<Pod> pods;
  std::string resource_version;
  std::string next;  // token of the next chunk; empty: this is the last
  uint64_t malformed_pods = 0;
  uint64_t texts_left_out = 0;
};
absl::StatusOr<PodPage> ParsePage(std::string_view text,
                                  const std::vector<std::string>& annotations);

// One line of a watch.
struct PodChange {
  enum class Kind { kSet, kDeleted, kBookmark, kError };
  Kind kind = Kind::kError;
  std::optional<Pod> pod;  // of kSet and kDeleted; not there when it is malformed
  std::string resource_version;
  int code = 0;         // of kError, as of HTTP
  std::string message;  // of kError
  uint64_t texts_left_out = 0;
};
absl::StatusOr<PodChange> ParseChange(std::string_view line,
                                      const std::vector<std::string>& annotations);

// The message of a v1.Status, or the beginning of what is none.
std::string StatusMessage(std::string_view text);

}  // namespace huatuo
