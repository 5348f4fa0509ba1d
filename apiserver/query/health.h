// `/healthz`, `/readyz`.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/query/router.h"

namespace huatuo {

// One stage of the process. `problem` returns at once, on any thread: why the stage does not move,
// or nullopt.
struct Check {
  std::string name;
  std::function<std::optional<std::string>()> problem;
};

std::vector<Route> HealthRoutes(std::vector<Check> checks);

}  // namespace huatuo
