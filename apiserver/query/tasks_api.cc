#include "apiserver/query/tasks_api.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <optional>

#include "apiserver/query/body.h"
#include "apiserver/query/problem.h"
#include "apiserver/query/scope.h"
#include "apiserver/query/task_result.h"
#include "apiserver/query/task_watch.h"
#include "apiserver/tasks/request.h"
#include "apiserver/tasks/target.h"
#include "common/status.h"

namespace huatuo {
namespace {

namespace json = boost::json;

Response Create(const TaskRouteSources& sources, const Call& call) {
  json::value body;
  if (auto problem = ReadJson(call.request, body)) return std::move(*problem);
  TaskSpec spec;
  if (const Objection bad = ReadTaskSpec(body, spec)) return RefusalProblem(422, *bad);
  if (const Objection bad = CheckUnit(sources.nodes.Units(), spec))
    return RefusalProblem(422, *bad);
  std::vector<TaskNode> nodes;
  if (const Objection bad = ResolveTarget(spec, sources.nodes, sources.series, nodes)) {
    return RefusalProblem(422, *bad);
  }
  if (!SeesTask(call.caller, nodes)) {
    return ParameterProblem(403, "target.container",
                            fmt::format("the token {} is for the namespace {} alone",
                                        call.caller.name, OneOf(call.caller.namespaces)),
                            "a container of a pod of such a namespace");
  }
  const auto task = sources.tasks.Create(std::move(spec), std::move(nodes));
  if (absl::IsResourceExhausted(task.status())) return Problem(429, Message(task.status()));
  if (!task.ok()) return StatusProblem(task.status());
  Response response = JsonReply(TaskJson(*task), 201);
  response.headers.emplace_back("Location", "/api/v1/tasks/" + task->id);
  return response;
}

// As Tasks::List, of those that the caller sees.
absl::StatusOr<std::vector<Task>> SeenTasks(Tasks& tasks, const Caller& caller,
                                            const TaskFilter& filter, uint64_t before,
                                            size_t limit) {
  constexpr size_t kPage = 1000;
  if (!caller.scoped()) return tasks.List(filter, before, limit);
  std::vector<Task> seen;
  for (bool more = true; more;) {
    auto page = tasks.List(filter, before, kPage);
    if (!page.ok()) return page.status();
    for (Task& task : *page) {
      if (!SeesTask(caller, task.nodes)) continue;
      seen.push_back(std::move(task));
      if (seen.size() == limit) return seen;
    }
    more = page->size() == kPage;
    if (more) before = page->back().position;
  }
  return seen;
}

Response List(Tasks& tasks, const Call& call) {
  const size_t limit = call.params.Count("limit", 100);
  const TaskFilter filter{
      .open = false, .state = call.params.Text("state"), .tool = call.params.Text("tool")};
  auto found = SeenTasks(tasks, call.caller, filter, call.params.Count("cursor", 0), limit + 1);
  if (!found.ok()) return StatusProblem(found.status());
  json::value cursor;
  if (found->size() > limit) {
    found->resize(limit);
    cursor = std::to_string(found->back().position);
  }
  json::array items;
  for (const Task& task : *found) items.push_back(TaskJson(task));
  return JsonReply({{"items", std::move(items)}, {"next_cursor", std::move(cursor)}});
}

// Runs `run` with the task of the path, or says why there is none.
template <typename Run>
Response WithTask(Tasks& tasks, const Call& call, Run run) {
  const std::string& id = call.path.at("id");
  const auto task = tasks.Find(id);
  if (!task.ok()) return StatusProblem(task.status());
  if (!task->has_value() || !SeesTask(call.caller, (*task)->nodes))
    return Problem(404, fmt::format("no task has the id {}", id));
  return run(**task);
}

Response Cancel(Tasks& tasks, const Call& call) {
  return WithTask(tasks, call, [&tasks](const Task& found) {
    const auto task = tasks.Cancel(found.id);
    return task.ok() ? JsonReply(TaskJson(*task)) : StatusProblem(task.status());
  });
}

Response Follow(const TaskRouteSources& sources, const Task& task, const Call& call) {
  uint64_t seen = 0;
  const std::string_view resumed = call.request.Header("last-event-id");
  if (!resumed.empty()) {
    const std::optional<uint64_t> last = ParseCount(resumed);
    if (!last) {
      return ParameterProblem(400, "Last-Event-ID", "bad header", "the id of a message");
    }
    seen = *last;
  }
  auto watch = std::make_shared<TaskWatch>(sources.tasks, sources.counts, task.id, seen);
  Response response;
  response.content_type = "text/event-stream";
  response.body = "retry: 1000\n\n";
  response.stream = [watch](std::shared_ptr<EventStream> stream) {
    watch->Start(std::move(stream));
  };
  return response;
}

std::vector<Param> ListParams() {
  using Kind = Param::Kind;
  return {
      {"state", Kind::kWord, "Only tasks in this state.", 0, 0, StateNames()},
      {"tool", Kind::kText, "Only tasks of this tool."},
      {"limit", Kind::kCount, "Most items of a page; 100 when absent.", 1, 1000},
      {"cursor", Kind::kCount, "`next_cursor` of the page before.", 1},
  };
}

Route Result(const TaskRouteSources& sources) {
  return {.method = "GET",
          .pattern = "/api/v1/tasks/{id}/result",
          .help = "What the task has found so far.",
          .params = TaskResultParams(),
          .replies = TaskResultReplies(),
          .run =
              [sources](const Call& call) {
                return WithTask(sources.tasks, call, [&](const Task& task) {
                  return TaskResult(sources, task, call.params);
                });
              },
          .scoped = true};
}

}  // namespace

std::vector<Route> TaskRoutes(const TaskRouteSources& sources) {
  Tasks& tasks = sources.tasks;
  const Reply one{200, "The task.", "application/json", "Task"};
  return {
      {.method = "POST",
       .pattern = "/api/v1/tasks",
       .role = Role::kOperator,
       .help = "Asks nodes to run a tool for a while.",
       .body_schema = "TaskRequest",
       .replies = {{201, "The task, which goes on by itself; Location names it.",
                    "application/json", "Task"}},
       .run = [sources](const Call& call) { return Create(sources, call); },
       .scoped = true},
      {.method = "GET",
       .pattern = "/api/v1/tasks",
       .help = "The tasks, the newest first.",
       .params = ListParams(),
       .replies = {{200, "A page of tasks.", "application/json", "TaskList"}},
       .run = [&tasks](const Call& call) { return List(tasks, call); },
       .scoped = true},
      {.method = "GET",
       .pattern = "/api/v1/tasks/{id}",
       .help = "One task.",
       .replies = {one},
       .run =
           [&tasks](const Call& call) {
             return WithTask(tasks, call, [](const Task& t) { return JsonReply(TaskJson(t)); });
           },
       .scoped = true},
      {.method = "DELETE",
       .pattern = "/api/v1/tasks/{id}",
       .role = Role::kOperator,
       .help = "Cancels a task. What it has found stays.",
       .replies = {one},
       .run = [&tasks](const Call& call) { return Cancel(tasks, call); },
       .scoped = true},
      {.method = "GET",
       .pattern = "/api/v1/tasks/{id}/watch",
       .help = "The progress of a task, as server-sent events.",
       .replies = {{200, "Messages `task` with the task as data, then `end`.", "text/event-stream",
                    ""}},
       .run =
           [sources](const Call& call) {
             return WithTask(sources.tasks, call,
                             [&](const Task& task) { return Follow(sources, task, call); });
           },
       .scoped = true},
      Result(sources),
  };
}

}  // namespace huatuo
