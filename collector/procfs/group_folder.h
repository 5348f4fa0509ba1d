// Where the files of a container's cgroup are.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "collector/context.h"
#include "collector/enrich/hierarchies.h"

namespace huatuo {

// Path below Root; empty: the container is in no cgroup of that controller.
struct GroupFolder {
  std::string path;
  bool v2 = false;
  friend bool operator==(const GroupFolder&, const GroupFolder&) = default;
};

// The container's own folder in the hierarchy of `controller`: a v1 one where that is mounted, else
// v2. An empty `controller` means v2.
GroupFolder FolderOf(Context& context, std::span<const Hierarchy> hierarchies,
                     const LiveContainer& live, std::string_view controller);

// Brings `groups`, by LiveContainer::subject, up to date with the containers that exist now. A
// group that stays keeps its state; `make(live)` makes a new one, or nullopt for none.
template <typename Group, typename Make>
void RenewGroups(Context& context, std::map<uint32_t, Group>& groups, const Make& make) {
  std::map<uint32_t, Group> now;
  for (const LiveContainer& live : context.LiveContainers()) {
    if (const auto old = groups.find(live.subject); old != groups.end()) {
      now.insert(groups.extract(old));
    } else if (auto group = make(live)) {
      now.emplace(live.subject, std::move(*group));
    }
  }
  groups = std::move(now);
}

}  // namespace huatuo
