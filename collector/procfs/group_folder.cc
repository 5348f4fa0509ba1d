#include "collector/procfs/group_folder.h"

#include <algorithm>

namespace huatuo {

GroupFolder FolderOf(Context& context, std::span<const Hierarchy> hierarchies,
                     const LiveContainer& live, std::string_view controller) {
  const auto has = [&](const Hierarchy& h) { return h.Has(controller); };
  const auto v1 = std::find_if(hierarchies.begin(), hierarchies.end(), has);
  const uint32_t hierarchy = v1 == hierarchies.end() ? 0 : v1->id;
  for (const cgroup_ref& cgroup : live.cgroups) {
    if (cgroup.hierarchy == hierarchy) return {context.CgroupFolder(cgroup), hierarchy == 0};
  }
  return {};
}

}  // namespace huatuo
