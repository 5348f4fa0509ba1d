// What a profile becomes before it is stored: its containers with the names of the cluster, and
// what readers are told of it without its stacks. Pure and thread-safe.
#pragma once

#include <string>

#include "apiserver/pods/pod_index.h"
#include "apiserver/store/profile_store.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

struct ProfileOrigin {
  std::string node;
  uint64_t sequence = 0;
  int64_t uploaded_ns = 0;
};

// Gives each container the names that the cluster knows it by now; what is not known stays as the
// node said it, without a pod. `pods` null: there is no cluster.
void NamePods(const PodIndex* pods, v1::Profile& profile);

// Row and blob of a profile that CheckProfile accepts.
NewProfile MakeNewProfile(const ProfileOrigin& origin, const v1::Profile& profile);

}  // namespace huatuo
