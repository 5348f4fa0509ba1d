// The list of all units of this build, in the order of the catalog.
#pragma once

#include <span>

#include "collector/unit.h"

namespace huatuo {

std::span<const Unit* const> AllUnits();

}  // namespace huatuo
