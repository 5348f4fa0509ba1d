#include "apiserver/ingest/exchange.h"

#include <fmt/format.h>

namespace huatuo {

std::string_view RefusalCause(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kAborted:
      return "fenced";
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kInternal:
      return "store";
    case absl::StatusCode::kAlreadyExists:
      return "namesake";
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return "identity";
    case absl::StatusCode::kFailedPrecondition:
      return "not_connected";
    default:
      return "malformed";
  }
}

absl::Status Fenced(const std::string& node) {
  const std::string reason = fmt::format("node {}: a newer stream of it has begun", node);
  return absl::AbortedError({reason.data(), reason.size()});
}

}  // namespace huatuo
