// Seeds: cgroup
#include "collector/enrich/cgroup_path.h"
#include "test/fuzz/must.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using huatuo::Must;
  const std::string_view path(reinterpret_cast<const char*>(data), size);
  const auto name = huatuo::ParseCgroupPath(path);
  if (!name) return 0;
  Must(name->folder_length <= path.size());
  Must(!name->container_id.empty() || !name->pod_uid.empty() || !name->name.empty());
  for (const auto& part : {name->container_id, name->outer_id, name->pod_uid, name->qos,
                           name->runtime, name->type, name->name}) {
    huatuo::MustBeText(part);
  }
  // Folders inside belong to it.
  const auto again = huatuo::ParseCgroupPath(path.substr(0, name->folder_length));
  Must(again && again->container_id == name->container_id && again->pod_uid == name->pod_uid);
  return 0;
}
