// The rules by which events are known already.
#pragma once

#include <vector>

#include "apiserver/ingest/known_issues.h"
#include "apiserver/query/router.h"

namespace huatuo {

// `issues` must outlive the routes.
std::vector<Route> KnownIssueRoutes(KnownIssues& issues);

}  // namespace huatuo
