#include "apiserver/store/profile_filter.h"

#include <algorithm>

#include "apiserver/store/filter.h"

namespace huatuo {

bool Touches(int64_t begin_ns, int64_t end_ns, std::optional<int64_t> from_ns,
             std::optional<int64_t> to_ns) {
  return (!from_ns || end_ns >= *from_ns) && (!to_ns || begin_ns < *to_ns);
}

bool Matches(const ProfileFilter& filter, const ProfileRow& row, std::string_view node) {
  const auto is = [](const std::string& wanted, std::string_view found) {
    return wanted.empty() || wanted == found;
  };
  const ProfileFilter& f = filter;
  const bool any = f.namespace_name.empty() && f.pod.empty() && f.container.empty();
  return is(f.task_id, row.task_id) && is(f.node, node) && is(f.unit, row.unit) &&
         Touches(row.time_ns, row.time_ns + row.duration_ns, f.from_ns, f.to_ns) &&
         (any || std::ranges::any_of(row.containers, [&f](const SubjectRow& subject) {
            return MatchesSubject(subject, f.namespace_name, f.pod, f.container);
          }));
}

}  // namespace huatuo
