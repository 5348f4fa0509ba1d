// Is what a node says on its stream of profiles usable? Pure and thread-safe.
#pragma once

#include "absl/status/status.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// InvalidArgument naming the field.
absl::Status CheckProfilesHello(const v1::ProfilesHello& hello);

// InvalidArgument naming the field: an index that points nowhere, a number of values that is not
// that of the profile, a text or a list that is too long.
absl::Status CheckProfile(const v1::Profile& profile);

// Why a profile that is sound in itself cannot be taken from a node with this catalog, for which
// the server has refused some units: InvalidArgument.
absl::Status CheckProfileUnit(const v1::Catalog& catalog,
                              const std::vector<v1::RefusedUnit>& refused,
                              const v1::Profile& profile);

}  // namespace huatuo
