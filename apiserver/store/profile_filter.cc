#include "apiserver/store/profile_filter.h"

#include <algorithm>

namespace huatuo {

bool Touches(int64_t begin_ns, int64_t end_ns, std::optional<int64_t> from_ns,
             std::optional<int64_t> to_ns) {
  return (!from_ns || end_ns >= *from_ns) && (!to_ns || begin_ns < *to_ns);
}

bool Matches(const ProfileFilter& filter, const ProfileRow& row, std::string_view node) {
  const auto is = [](const std::string& wanted, std::string_view found) {
    return wanted.empty() || wanted == found;
  };
  const auto is_container = [&](const SubjectRow& s) {
    return filter.container == s.container_name || (filter.container.size() >= kContainerIdPrefix &&
                                                    s.container_id.starts_with(filter.container));
  };
  return is(filter.task_id, row.task_id) && is(filter.node, node) && is(filter.unit, row.unit) &&
         Touches(row.time_ns, row.time_ns + row.duration_ns, filter.from_ns, filter.to_ns) &&
         (filter.container.empty() ||
          std::any_of(row.containers.begin(), row.containers.end(), is_container));
}

}  // namespace huatuo
