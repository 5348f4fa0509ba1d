#include "apiserver/query/scope.h"

#include <fmt/format.h>

#include <algorithm>

#include "apiserver/query/problem.h"
#include "common/refusal.h"

namespace huatuo {

std::optional<Response> Confine(const Caller& caller, EventFilter& filter) {
  if (!caller.scoped()) return std::nullopt;
  std::string& wanted = filter.namespace_name;
  if (wanted.empty() && caller.namespaces.size() == 1) wanted = caller.namespaces.front();
  if (!wanted.empty() && caller.Sees(wanted)) return std::nullopt;
  const std::string why =
      wanted.empty() ? fmt::format("the token {} is for several, and one is needed", caller.name)
                     : fmt::format("the token {} is not for {}", caller.name, wanted);
  return ParameterProblem(wanted.empty() ? 400 : 403, "namespace", why, OneOf(caller.namespaces));
}

bool SeesTask(const Caller& caller, const std::vector<TaskNode>& nodes) {
  return std::all_of(nodes.begin(), nodes.end(),
                     [&](const TaskNode& node) { return caller.Sees(node.name_space); });
}

bool SeesAny(const Caller& caller, const std::vector<SubjectRow>& subjects) {
  if (!caller.scoped()) return true;
  return std::any_of(subjects.begin(), subjects.end(), [&](const SubjectRow& subject) {
    return caller.Sees(subject.namespace_name);
  });
}

}  // namespace huatuo
