#include "apiserver/query/problem.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "common/status.h"
#include "common/utf8.h"

namespace huatuo {
namespace {

boost::json::string_view View(std::string_view text) { return {text.data(), text.size()}; }

boost::json::object Members(int status, std::string_view detail) {
  return {{"type", "about:blank"},
          {"title", View(ReasonPhrase(status))},
          {"status", status},
          {"detail", View(detail)}};
}

Response ProblemOf(int status, const boost::json::object& members) {
  Response response;
  response.status = status;
  response.content_type = "application/problem+json";
  // What is told may be what was asked, and that may be any bytes.
  response.body = Utf8(boost::json::serialize(members));
  return response;
}

int CodeOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kFailedPrecondition:
      return 409;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return 503;
    default:
      return 500;
  }
}

}  // namespace

Response Problem(int status, std::string_view detail) {
  return ProblemOf(status, Members(status, detail));
}

Response ParameterProblem(int status, std::string_view parameter, std::string_view detail,
                          std::string_view accepted) {
  boost::json::object members = Members(status, detail);
  members["parameter"] = View(parameter);
  members["accepted"] = View(accepted);
  return ProblemOf(status, members);
}

Response RefusalProblem(int status, const Refusal& refusal) {
  return ParameterProblem(status, refusal.field, refusal.detail, refusal.accepted);
}

Response StatusProblem(const absl::Status& status) {
  return Problem(CodeOf(status.code()), Message(status));
}

}  // namespace huatuo
