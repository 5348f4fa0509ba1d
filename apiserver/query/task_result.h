// What a task has found: its events, or its profiles in a form for other tools.
#pragma once

#include <vector>

#include "apiserver/query/params.h"
#include "apiserver/query/router.h"
#include "apiserver/query/tasks_api.h"

namespace huatuo {

std::vector<Param> TaskResultParams();
std::vector<Reply> TaskResultReplies();
Response TaskResult(const TaskRouteSources& sources, const Task& task, const ParamValues& params);

}  // namespace huatuo
