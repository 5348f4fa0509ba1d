// What readers are told of a profile without its stacks. Pure and thread-safe.
#pragma once

#include <string>

#include "apiserver/store/profile_store.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

struct ProfileOrigin {
  std::string node;
  uint64_t sequence = 0;
  int64_t uploaded_ns = 0;
};

// Row and blob of a profile that CheckProfile accepts.
NewProfile MakeNewProfile(const ProfileOrigin& origin, const v1::Profile& profile);

}  // namespace huatuo
