// Counts what this process allocates by operator new.
#pragma once

#include <cstdint>

namespace huatuo {

uint64_t Allocations();

}  // namespace huatuo
