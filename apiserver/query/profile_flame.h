// A profile as a flame graph. Pure and thread-safe.
#pragma once

#include <string>

#include "apiserver/query/profile_merge.h"

namespace huatuo {

// {"unit":"nanoseconds","total":N,"items":[{"level","value","self","label"[,"kind"]},…]}: depth
// first, the root first, of the last of the profile's values. Below the root "total" are the
// processes by name, below them the outermost frames; siblings by value. `kind`, of frames, is
// "kernel" or "user".
std::string FlamegraphOf(const ProfileMerge& profile);

}  // namespace huatuo
