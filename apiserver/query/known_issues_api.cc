#include "apiserver/query/known_issues_api.h"

#include "apiserver/query/body.h"
#include "apiserver/query/problem.h"

namespace huatuo {
namespace {

namespace json = boost::json;

Response Replace(KnownIssues& issues, const Call& call) {
  json::value body;
  if (auto problem = ReadJson(call.request, body)) return std::move(*problem);
  const KnownIssues::Replaced replaced = issues.Replace(body);
  if (replaced.refusal) return RefusalProblem(422, *replaced.refusal);
  return replaced.status.ok() ? JsonReply(issues.Json()) : StatusProblem(replaced.status);
}

}  // namespace

std::vector<Route> KnownIssueRoutes(KnownIssues& issues) {
  return {
      {.method = "GET",
       .pattern = "/api/v1/known_issues",
       .help = "The rules by which events are known already, in the order in which they are asked.",
       .replies = {{200, "The rules.", "application/json", "KnownIssueList"}},
       .run = [&issues](const Call&) { return JsonReply(issues.Json()); }},
      {.method = "PUT",
       .pattern = "/api/v1/known_issues",
       .role = Role::kAdmin,
       .help = "Replaces all rules, at once and for good; all or none. The first rule that matches "
               "labels an event, or silences it: then it is counted and not stored.",
       .body_schema = "KnownIssues",
       .replies = {{200, "The rules in force.", "application/json", "KnownIssueList"}},
       .run = [&issues](const Call& call) { return Replace(issues, call); }},
  };
}

}  // namespace huatuo
