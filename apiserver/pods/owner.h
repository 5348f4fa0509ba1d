// Who a pod belongs to, from the pod alone.
//
// Deployments and CronJobs own pods through a ReplicaSet or a Job of theirs, which only these
// objects name. Their controllers name what they make by a rule, so that nothing but pods has to be
// read. Pure and thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace huatuo {

// "Deployment/web" for the controlling owner of a pod. `template_hash` is the pod's label
// `pod-template-hash`, empty when it has none.
//
//   ReplicaSet "web-5d4f8c7b9"  with the hash 5d4f8c7b9   -> Deployment/web
//   Job "backup-28312345"       (a minute since 1970)     -> CronJob/backup
//   Node                        (of static pods)          -> "", no owner
//
// A Job that somebody made by hand under a name like that of a CronJob is taken for one.
std::string OwnerOf(std::string_view kind, std::string_view name, std::string_view template_hash);

}  // namespace huatuo
