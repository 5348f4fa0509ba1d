// A profile as a pprof file. Pure and thread-safe.
#pragma once

#include <string>

#include "apiserver/query/profile_merge.h"

namespace huatuo {

// perftools.profiles.Profile, gzip'd. Samples have the labels node, pid, comm, container (its name,
// else its id), container_id and pod, as far as they are known; losses are comments.
std::string PprofOf(const ProfileMerge& profile);

}  // namespace huatuo
