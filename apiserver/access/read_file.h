// Small files that hold secrets, certificates or settings.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace huatuo {

// The whole file, at most 1 MiB. The system's error with the path, which is all that it says.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path);

}  // namespace huatuo
