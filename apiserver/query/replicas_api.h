// The apiservers that share the store.
#pragma once

#include <vector>

#include "apiserver/query/router.h"
#include "apiserver/replica/replicas.h"

namespace huatuo {

// `replicas` must outlive the routes; null: the store is this apiserver's alone.
std::vector<Route> ReplicaRoutes(const Replicas* replicas);

}  // namespace huatuo
