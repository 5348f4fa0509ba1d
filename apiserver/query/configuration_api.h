// The live configuration over REST.
#pragma once

#include <vector>

#include "apiserver/config/live_config.h"
#include "apiserver/query/router.h"

namespace huatuo {

std::vector<Route> ConfigurationRoutes(LiveConfig& config);

}  // namespace huatuo
