// GET requests whose answer is read as it comes, one after the other.
//
// Errors say by their code what kind they are: Unavailable (connection), DeadlineExceeded,
// FailedPrecondition (the two do not trust each other), Cancelled (after Stop), else as
// LoadAccess has it. Not thread-safe, but for Stop.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace huatuo {

class Transport {
 public:
  struct Head {
    int status = 0;
    std::chrono::seconds retry_after{0};  // 0: the server does not say
  };

  virtual ~Transport() = default;

  // Ends what is left of the answer before. `target` begins with a slash.
  virtual absl::StatusOr<Head> Get(const std::string& target) = 0;

  // The next piece of the body, valid until the next call; empty at its end. DeadlineExceeded when
  // none comes for so long.
  virtual absl::StatusOr<std::string_view> Read(std::chrono::milliseconds patience) = 0;

  // Ends the present and every later call soon.
  virtual void Stop() = 0;
};

}  // namespace huatuo
