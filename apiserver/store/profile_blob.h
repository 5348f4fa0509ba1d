// A profile as the bytes that a ProfileStore keeps: serialized and compressed with zstd.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "apiserver/store/profile_store.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// Never empty.
std::string PackProfile(const v1::Profile& profile);

// Internal when `blob` was not made by PackProfile, or would need more than 64 MiB.
absl::StatusOr<v1::Profile> UnpackProfile(std::string_view blob);

// nullopt when no profile has this id. Errors of the store and of UnpackProfile.
absl::StatusOr<std::optional<v1::Profile>> LoadProfile(ProfileQuerier& store, std::string_view id);

}  // namespace huatuo
