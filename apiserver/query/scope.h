// What a caller who sees some namespaces alone gets. Pure and thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apiserver/access/role.h"
#include "apiserver/query/http.h"
#include "apiserver/store/store.h"
#include "apiserver/tasks/task.h"

namespace huatuo {

// Makes `filter` one of a namespace that the caller sees: the one that was asked for, else the
// caller's only one. The refusal when it was asked for another one, or has to ask for one. An event
// is of the namespaces of all of its subjects.
std::optional<Response> Confine(const Caller& caller, EventFilter& filter);

// Whether the caller sees something with these subjects.
bool SeesAny(const Caller& caller, const std::vector<SubjectRow>& subjects);

// Whether all containers that the task observes are in namespaces that the caller sees.
bool SeesTask(const Caller& caller, const std::vector<TaskNode>& nodes);

}  // namespace huatuo
