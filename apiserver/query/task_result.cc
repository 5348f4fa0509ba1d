#include "apiserver/query/task_result.h"

#include <fmt/format.h>

#include "apiserver/query/problem.h"
#include "apiserver/query/profile_render.h"
#include "apiserver/query/profiles_api.h"
#include "apiserver/store/profile_blob.h"

namespace huatuo {
namespace {

// What one result may be merged of; each is a few MiB in memory.
constexpr size_t kMaxProfiles = 200;

Response Events(Querier& querier, const Task& task, const ParamValues& params) {
  EventFilter filter;
  filter.task_id = task.id;
  const size_t limit = params.Count("limit", 1000);
  auto rows = querier.Query(filter, Order::kOldestFirst, params.Count("cursor", 0), limit + 1);
  if (!rows.ok()) return StatusProblem(rows.status());
  std::string cursor = "null";
  if (rows->size() > limit) {
    rows->resize(limit);
    cursor = fmt::format("\"{}\"", rows->back().position);
  }
  Response response;
  response.body = R"({"items":[)";
  for (size_t i = 0; i < rows->size(); ++i) {
    if (i > 0) response.body += ',';
    response.body += (*rows)[i].row.document;
  }
  response.body += fmt::format(R"(],"next_cursor":{}}})", cursor);
  return response;
}

bool MakesProfiles(const Nodes& nodes, const std::string& tool) {
  const v1::Catalog catalog = nodes.Units();
  for (const v1::Unit& unit : catalog.units()) {
    if (unit.name() == tool) return unit.profiles_size() > 0;
  }
  return false;
}

Response Profiles(ProfileQuerier& store, const Task& task, const std::string& format) {
  ProfileFilter filter;
  filter.task_id = task.id;
  const auto rows = store.Query(filter, 0, kMaxProfiles + 1);
  if (!rows.ok()) return StatusProblem(rows.status());
  if (rows->size() > kMaxProfiles) {
    return Problem(422, fmt::format("the task has made more than {} profiles: read them one by one "
                                    "from /api/v1/profiles?task_id={}",
                                    kMaxProfiles, task.id));
  }
  std::vector<NodeProfile> profiles;
  for (const StoredProfile& row : *rows) {
    auto profile = LoadProfile(store, row.row.id);
    if (!profile.ok()) return StatusProblem(profile.status());
    // Nothing: retention was faster.
    if (*profile) profiles.push_back({row.node, **std::move(profile)});
  }
  absl::StatusOr<Rendered> rendered = RenderProfiles(profiles, format);
  if (!rendered.ok()) return StatusProblem(rendered.status());
  return RenderedResponse(*std::move(rendered));
}

}  // namespace

std::vector<Param> TaskResultParams() {
  using Kind = Param::Kind;
  return {
      {"format", Kind::kWord, "Form of the result; json when absent.", 0, 0, ProfileFormats()},
      {"limit", Kind::kCount, "Most events of a page; 1000 when absent.", 1, 1000},
      {"cursor", Kind::kCount, "`next_cursor` of the page of events before.", 1},
  };
}

std::vector<Reply> TaskResultReplies() { return RenderedReplies("TaskResult"); }

Response TaskResult(const TaskRouteSources& sources, const Task& task, const ParamValues& params) {
  const std::string format = params.Has("format") ? params.Text("format") : "json";
  if (MakesProfiles(sources.nodes, task.spec.tool)) {
    return Profiles(sources.profiles, task, format);
  }
  if (format != "json") {
    return ParameterProblem(422, "format",
                            fmt::format("the tool {} makes no profiles", task.spec.tool), "json");
  }
  return Events(sources.querier, task, params);
}

}  // namespace huatuo
