// `/api/v1/profiles`: lists, and single profiles in the formats of profile_render.h.
#pragma once

#include <vector>

#include "apiserver/query/profile_render.h"
#include "apiserver/query/router.h"
#include "apiserver/store/profile_store.h"
#include "common/clock.h"

namespace huatuo {

// The references must outlive the routes.
std::vector<Route> ProfileRoutes(ProfileQuerier& store, const Clock& clock);

// A rendered profile as a reply; what no browser shows is proposed as a file.
Response RenderedResponse(Rendered rendered);

// All profiles of a task as one, in a format of profile_render.h.
Response TaskProfiles(ProfileQuerier& store, const std::string& task_id, std::string_view format);

// The replies of a route that gives rendered profiles, for OpenAPI. `json_schema`: of those that
// are JSON.
std::vector<Reply> RenderedReplies(const std::string& json_schema);

}  // namespace huatuo
