// Errors as RFC 9457 `application/problem+json`.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "apiserver/query/http.h"
#include "common/refusal.h"

namespace huatuo {

// {"type":"about:blank","title":<phrase of the status>,"status":…,"detail":…}
Response Problem(int status, std::string_view detail);

// As above with "parameter", the name of what is wrong, and "accepted", what it may be.
Response ParameterProblem(int status, std::string_view parameter, std::string_view detail,
                          std::string_view accepted);

Response RefusalProblem(int status, const Refusal& refusal);

// NotFound 404, InvalidArgument 400, FailedPrecondition 409, Unavailable and DeadlineExceeded 503,
// else 500.
Response StatusProblem(const absl::Status& status);

}  // namespace huatuo
