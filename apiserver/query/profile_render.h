// Profiles in the formats that readers ask for.
//
// Several profiles become one result: the same stack of the same process and node is one sample,
// whose values are the sums. Pure and thread-safe.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/query/profile_merge.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

struct NodeProfile {
  std::string node;
  v1::Profile profile;
};

struct Rendered {
  std::string content_type;
  std::string file_name;  // proposed to who saves it: "profile.pb.gz"
  std::string body;
};

// "pprof", "folded", "flamegraph", "json".
const std::vector<std::string>& ProfileFormats();

// Without profiles the result is an empty one. InvalidArgument: no such format, or profiles whose
// values do not mean the same.
absl::StatusOr<Rendered> RenderProfiles(std::span<const NodeProfile> profiles,
                                        std::string_view format);

// The same of profiles that were merged one by one, so that only one is in memory at a time.
absl::StatusOr<Rendered> RenderMerged(const ProfileMerge& profiles, std::string_view format);

}  // namespace huatuo
