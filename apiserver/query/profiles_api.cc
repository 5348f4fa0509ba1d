#include "apiserver/query/profiles_api.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "apiserver/query/cursor.h"
#include "apiserver/query/problem.h"
#include "apiserver/store/profile_blob.h"

namespace huatuo {
namespace {

using Kind = Param::Kind;

std::vector<Param> ListParams() {
  return {
      {"node", Kind::kText, "Name of the node."},
      {"unit", Kind::kText, "Name of the unit that made it: cpu_profile."},
      {"task_id", Kind::kText, "Id of the task that it was made for."},
      {"namespace", Kind::kText, "Kubernetes namespace of a container that is in it."},
      {"pod", Kind::kText, "Name or uid of the pod of a container that is in it."},
      {"container", Kind::kText,
       "Name of a container that is in it, or 12 or more first digits of its id."},
      {"from", Kind::kTime, "Only those that last until this time or longer."},
      {"to", Kind::kTime, "Only those that begin before this time."},
      {"limit", Kind::kCount, "Most items of a page; 100 when absent.", 1, 1000},
      {"cursor", Kind::kText, "`next_cursor` of the page before, for the same query."},
  };
}

ProfileFilter FilterOf(const ParamValues& params, int64_t now_ns) {
  return {.task_id = params.Text("task_id"),
          .node = params.Text("node"),
          .unit = params.Text("unit"),
          .namespace_name = params.Text("namespace"),
          .pod = params.Text("pod"),
          .container = params.Text("container"),
          .from_ns = params.TimeNs("from", now_ns),
          .to_ns = params.TimeNs("to", now_ns)};
}

std::string ListJson(const std::vector<StoredProfile>& rows, const std::string& cursor,
                     uint64_t missing) {
  std::string body = R"({"items":[)";
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i > 0) body += ',';
    body += rows[i].row.document;
  }
  const std::string next = cursor.empty() ? "null" : "\"" + cursor + "\"";
  return body + fmt::format(R"(],"next_cursor":{},"missing":{}}})", next, missing);
}

Response List(ProfileQuerier& store, const Clock& clock, const Call& call) {
  const ParamValues& params = call.params;
  const ProfileFilter filter = FilterOf(params, clock.WallNs());
  if (filter.from_ns && filter.to_ns && *filter.from_ns > *filter.to_ns) {
    return ParameterProblem(400, "to", "earlier than from", "a time that is not before from");
  }
  const std::optional<uint64_t> before = PositionOf(params);
  if (!before) {
    return ParameterProblem(400, "cursor", "not a cursor of this query",
                            "next_cursor of a page of the same query");
  }
  const size_t limit = params.Count("limit", 100);
  auto rows = store.Query(filter, *before, limit + 1);
  if (!rows.ok()) return StatusProblem(rows.status());
  const auto missing = store.Missing(filter.node, filter.from_ns, filter.to_ns);
  if (!missing.ok()) return StatusProblem(missing.status());
  std::string cursor;
  if (rows->size() > limit) {
    rows->resize(limit);
    cursor = Cursor(params, rows->back().position);
  }
  Response response;
  response.body = ListJson(*rows, cursor, *missing);
  return response;
}

Response One(ProfileQuerier& store, const Call& call) {
  const std::string& id = call.path.at("id");
  const auto row = store.Get(id);
  if (!row.ok()) return StatusProblem(row.status());
  Response gone = Problem(404, fmt::format("no profile has the id {}", id));
  if (!*row) return gone;
  if (!call.params.Has("format")) {
    Response response;
    response.body = (*row)->row.document;
    return response;
  }
  auto profile = LoadProfile(store, id);
  if (!profile.ok()) return StatusProblem(profile.status());
  // Retention was faster.
  if (!*profile) return gone;
  const NodeProfile rendered[] = {{(*row)->node, **std::move(profile)}};
  absl::StatusOr<Rendered> result = RenderProfiles(rendered, call.params.Text("format"));
  if (!result.ok()) return StatusProblem(result.status());
  return RenderedResponse(*std::move(result));
}

}  // namespace

Response RenderedResponse(Rendered rendered) {
  Response response;
  if (rendered.content_type != response.content_type) {
    response.headers.emplace_back("Content-Disposition",
                                  fmt::format("attachment; filename=\"{}\"", rendered.file_name));
  }
  response.content_type = std::move(rendered.content_type);
  response.body = std::move(rendered.body);
  return response;
}

Response TaskProfiles(ProfileQuerier& store, const std::string& task_id, std::string_view format) {
  constexpr size_t kPage = 100;
  ProfileMerge merge;
  uint64_t before = 0;
  for (bool more = true; more;) {
    const auto rows = store.Query({.task_id = task_id}, before, kPage);
    if (!rows.ok()) return StatusProblem(rows.status());
    for (const StoredProfile& row : *rows) {
      const auto profile = LoadProfile(store, row.row.id);
      if (!profile.ok()) return StatusProblem(profile.status());
      // Retention was faster.
      if (!*profile) continue;
      const absl::Status status = merge.Add(row.node, **profile);
      if (!status.ok()) return StatusProblem(status);
    }
    more = rows->size() == kPage;
    if (more) before = rows->back().position;
  }
  absl::StatusOr<Rendered> result = RenderMerged(merge, format);
  return result.ok() ? RenderedResponse(*std::move(result)) : StatusProblem(result.status());
}

std::vector<Reply> RenderedReplies(const std::string& json_schema) {
  return {{200, "The result.", "application/json", json_schema},
          {200, "The result.", "application/vnd.google.protobuf+gzip", ""},
          {200, "The result.", "text/plain", ""}};
}

std::vector<Route> ProfileRoutes(ProfileQuerier& store, const Clock& clock) {
  return {
      {.method = "GET",
       .pattern = "/api/v1/profiles",
       .help = "Stored profiles, those that came last first.",
       .params = ListParams(),
       .replies = {{200, "A page of profiles.", "application/json", "ProfileList"}},
       .run = [&store, &clock](const Call& call) { return List(store, clock, call); }},
      {.method = "GET",
       .pattern = "/api/v1/profiles/{id}",
       .help = "One profile: what lists say of it, or its stacks in a format.",
       .params = {{"format", Kind::kWord, "Of the stacks.", 0, 0, ProfileFormats()}},
       .replies = RenderedReplies("ProfileOrStacks"),
       .run = [&store](const Call& call) { return One(store, call); }},
  };
}

}  // namespace huatuo
