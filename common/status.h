// absl::Status from the words of the outside world, with std types only.
//
// A message reads `what: on what: why`, in lower case, without a full stop. Every function is pure
// and thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace huatuo {

absl::Status InvalidArgument(std::string_view message);
absl::Status NotFound(std::string_view message);
absl::Status Unavailable(std::string_view message);
absl::Status FailedPrecondition(std::string_view message);
absl::Status ResourceExhausted(std::string_view message);
absl::Status DataLoss(std::string_view message);
absl::Status Internal(std::string_view message);

// `what: strerror(error)`, with the code that absl::ErrnoToStatus gives. `error` is a positive
// errno.
absl::Status ErrnoStatus(int error, std::string_view what);

// The same status with `context: ` put before its message; OK stays OK.
absl::Status Annotate(const absl::Status& status, std::string_view context);

// The message as a std string.
std::string Message(const absl::Status& status);

}  // namespace huatuo
