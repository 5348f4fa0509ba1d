// The OpenAPI 3.1 document of the routes.
#pragma once

#include <string>
#include <vector>

#include "apiserver/query/router.h"

namespace huatuo {

// JSON text. Schemas come from schemas.json beside this file.
std::string OpenApi(const std::vector<Route>& routes);

}  // namespace huatuo
