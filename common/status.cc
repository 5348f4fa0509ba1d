#include "common/status.h"

#include <fmt/format.h>

#include <cstring>

namespace huatuo {
namespace {

// Debian's absl::string_view is not std::string_view and does not convert.
absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

absl::Status InvalidArgument(std::string_view m) { return absl::InvalidArgumentError(View(m)); }
absl::Status NotFound(std::string_view m) { return absl::NotFoundError(View(m)); }
absl::Status Unavailable(std::string_view m) { return absl::UnavailableError(View(m)); }
absl::Status FailedPrecondition(std::string_view m) {
  return absl::FailedPreconditionError(View(m));
}
absl::Status ResourceExhausted(std::string_view m) { return absl::ResourceExhaustedError(View(m)); }
absl::Status DataLoss(std::string_view m) { return absl::DataLossError(View(m)); }
absl::Status Internal(std::string_view m) { return absl::InternalError(View(m)); }

absl::Status ErrnoStatus(int error, std::string_view what) {
  const absl::StatusCode code = absl::ErrnoToStatusCode(error);
  return {code, View(fmt::format("{}: {}", what, std::strerror(error)))};
}

absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  return {status.code(), View(fmt::format("{}: {}", context, Message(status)))};
}

std::string Message(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace huatuo
