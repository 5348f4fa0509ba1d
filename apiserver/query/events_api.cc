#include "apiserver/query/events_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "apiserver/query/cursor.h"
#include "apiserver/query/event_counts_api.h"
#include "apiserver/query/event_filter.h"
#include "apiserver/query/problem.h"
#include "apiserver/query/scope.h"
#include "apiserver/query/watch.h"

namespace huatuo {
namespace {

using Kind = Param::Kind;

std::vector<Param> ListParams() {
  std::vector<Param> params = FilterParams();
  for (Param& param : RangeParams()) params.push_back(std::move(param));
  params.push_back({"limit", Kind::kCount, "Most items of a page; 100 when absent.", 1, 1000});
  params.push_back({"order",
                    Kind::kWord,
                    "By the time of storing; newest when absent.",
                    0,
                    0,
                    {"newest", "oldest"}});
  params.push_back(
      {"cursor", Kind::kText, "`next_cursor` of the page before, for the same query."});
  return params;
}

std::vector<Param> WatchParams() {
  std::vector<Param> params = FilterParams();
  params.push_back({"after", Kind::kCount,
                    "Position to go on after: the `id` of a message, or `newest_position` of a "
                    "list; 0 begins with the oldest event. The header Last-Event-ID goes first. "
                    "Without both, the stream begins now."});
  return params;
}

std::string ListJson(const std::vector<StoredEvent>& rows, const std::string& cursor,
                     uint64_t newest) {
  std::string body = R"({"items":[)";
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i > 0) body += ',';
    body += rows[i].row.document;
  }
  const std::string next = cursor.empty() ? "null" : "\"" + cursor + "\"";
  return body + fmt::format(R"(],"next_cursor":{},"newest_position":"{}"}})", next, newest);
}

Response List(Querier& querier, const Clock& clock, const Call& call) {
  const ParamValues& params = call.params;
  EventFilter filter = FilterOf(params, clock.WallNs());
  if (auto refusal = Confine(call.caller, filter)) return *std::move(refusal);
  if (filter.from_ns && filter.to_ns && *filter.from_ns > *filter.to_ns) {
    return ParameterProblem(400, "to", "earlier than from", "a time that is not before from");
  }
  const std::optional<uint64_t> after = PositionOf(params);
  if (!after) {
    return ParameterProblem(400, "cursor", "not a cursor of this query",
                            "next_cursor of a page of the same query");
  }
  const Order order = params.Text("order") == "oldest" ? Order::kOldestFirst : Order::kNewestFirst;
  const size_t limit = params.Count("limit", 100);
  // Before the rows: a watch that goes on after it can repeat an event, but misses none.
  const auto newest = querier.Newest();
  if (!newest.ok()) return StatusProblem(newest.status());
  auto rows = querier.Query(filter, order, *after, limit + 1);
  if (!rows.ok()) return StatusProblem(rows.status());
  std::string cursor;
  if (rows->size() > limit) {
    rows->resize(limit);
    cursor = Cursor(params, rows->back().position);
  }
  Response response;
  response.body = ListJson(*rows, cursor, *newest);
  return response;
}

Response One(Querier& querier, const Call& call) {
  const std::string& id = call.path.at("id");
  const auto event = querier.Get(id);
  if (!event.ok()) return StatusProblem(event.status());
  if (!*event || !SeesAny(call.caller, (*event)->row.subjects))
    return Problem(404, fmt::format("no event has the tracer_id {}", id));
  Response response;
  response.body = (*event)->row.document;
  return response;
}

Response Follow(Querier& querier, CommitSignal& signal, HttpCounts& counts, const Call& call) {
  EventFilter filter = FilterOf(call.params, 0);
  if (auto refusal = Confine(call.caller, filter)) return *std::move(refusal);
  absl::StatusOr<uint64_t> position = call.params.Count("after", 0);
  const std::string_view resumed = call.request.Header("last-event-id");
  if (!resumed.empty()) {
    const std::optional<uint64_t> last = ParseCount(resumed);
    if (!last) {
      return ParameterProblem(400, "Last-Event-ID", "bad header", "the id of a message");
    }
    position = *last;
  } else if (!call.params.Has("after")) {
    position = querier.Newest();
  }
  if (!position.ok()) return StatusProblem(position.status());
  auto watch = std::make_shared<Watch>(querier, counts, std::move(filter), *position);
  Response response;
  response.content_type = "text/event-stream";
  // An id at once: a client that loses the connection before its first event misses none either.
  response.body = fmt::format("retry: 1000\nid: {}\n\n", *position);
  response.stream = [watch, &signal](std::shared_ptr<EventStream> stream) {
    watch->Start(std::move(stream), signal);
  };
  return response;
}

}  // namespace

std::vector<Route> EventRoutes(Querier& querier, CommitSignal& signal, const Clock& clock,
                               HttpCounts& counts) {
  return {
      {.method = "GET",
       .pattern = "/api/v1/events",
       .help = "Stored events.",
       .params = ListParams(),
       .replies = {{200, "A page of events.", "application/json", "EventList"}},
       .run = [&querier, &clock](const Call& call) { return List(querier, clock, call); },
       .scoped = true},
      {.method = "GET",
       .pattern = "/api/v1/events/watch",
       .help = "Events from now on, or after a position, as server-sent events.",
       .params = WatchParams(),
       .replies = {{200, "Messages `event` with a document as data; `end` when the server stops.",
                    "text/event-stream", ""}},
       .run = [&](const Call& call) { return Follow(querier, signal, counts, call); },
       .scoped = true},
      EventCountsRoute(querier, clock),
      {.method = "GET",
       .pattern = "/api/v1/events/{id}",
       .help = "One event by its tracer_id.",
       .replies = {{200, "The event.", "application/json", "Event"}},
       .run = [&querier](const Call& call) { return One(querier, call); },
       .scoped = true},
  };
}

}  // namespace huatuo
