// What a filter of profiles means, in one place for every backend. Pure and thread-safe.
#pragma once

#include <string_view>

#include "apiserver/store/profile_store.h"

namespace huatuo {

bool Matches(const ProfileFilter& filter, const ProfileRow& row, std::string_view node);

// Whether what lasts from begin_ns to end_ns touches [from_ns, to_ns).
bool Touches(int64_t begin_ns, int64_t end_ns, std::optional<int64_t> from_ns,
             std::optional<int64_t> to_ns);

}  // namespace huatuo
