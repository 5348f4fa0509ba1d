// Which nodes a task goes to.
#pragma once

#include <vector>

#include "apiserver/ingest/nodes.h"
#include "apiserver/store/series.h"
#include "apiserver/tasks/task.h"
#include "common/refusal.h"

namespace huatuo {

// The nodes of `spec.target`, as they are known now: those that are named, or those that report the
// container, one container on each. Objects to a node that is not known or does not take this task,
// and to a container that nobody reports or that is not the only one of its name on a node.
Objection ResolveTarget(const TaskSpec& spec, const Nodes& nodes, const SeriesTable& series,
                        std::vector<TaskNode>& resolved);

}  // namespace huatuo
