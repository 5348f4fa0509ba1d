// What a document says of those whom the event is about: what the node knows of a container, joined
// with what the cluster knows of its pod.
//
// Pure and thread-safe.
#pragma once

#include "apiserver/pods/pod_index.h"
#include "apiserver/store/store.h"
#include "common/json_text.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// Writes the fields of `subject`, which has a container, into a document; their names begin with
// its role. Unknown is absent. Names are the cluster's where it knows the pod: of a static pod also
// the uid. `pods` null: only what the node knows.
SubjectRow TellSubject(const v1::Subject& subject, const PodIndex* pods, JsonText& document);

// Whether the cluster may yet tell more of it than it does now: the container is of a pod, and
// either the pod or the container in it is not known.
bool Unresolved(const v1::Container& container, const PodIndex& pods);

}  // namespace huatuo
