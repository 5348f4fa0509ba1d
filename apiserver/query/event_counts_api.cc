#include "apiserver/query/event_counts_api.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "apiserver/query/event_filter.h"
#include "apiserver/query/problem.h"
#include "apiserver/query/scope.h"
#include "apiserver/store/event_counts.h"
#include "common/document.h"

namespace huatuo {
namespace {

namespace json = boost::json;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr int64_t kHour = 3600 * static_cast<int64_t>(kSecond);
constexpr uint64_t kMostStepSeconds = 30 * 86400;

// A chart is hardly wider; the reply stays below some 100 KB.
constexpr uint64_t kMostSteps = 2000;

std::vector<Param> CountParams() {
  std::vector<Param> params = FilterParams();
  for (Param& param : RangeParams()) params.push_back(std::move(param));
  params.push_back({"step_seconds", Param::Kind::kCount, "Length of a step; 60 when absent.", 1,
                    kMostStepSeconds});
  return params;
}

// `steps` of them from the one that holds the beginning of the range on, also the empty ones.
json::array Steps(const std::vector<EventCount>& counts, int64_t from_ns, int64_t step_ns,
                  uint64_t steps) {
  json::array items;
  auto next = counts.begin();
  int64_t at = StepOf(from_ns, step_ns);
  for (; steps > 0; --steps) {
    json::object by_tracer;
    for (; next != counts.end() && next->from_ns == at; ++next) {
      by_tracer[next->tracer] = next->events;
    }
    items.push_back({{"time", Rfc3339(at)}, {"counts", std::move(by_tracer)}});
    if (steps > 1) at += step_ns;
  }
  return items;
}

// Of times that are not before `from_ns`; their distance may be more than an int64_t holds.
uint64_t Distance(int64_t from_ns, int64_t to_ns) {
  return static_cast<uint64_t>(to_ns) - static_cast<uint64_t>(from_ns);
}

Response Counts(Querier& querier, const Clock& clock, const Call& call) {
  const int64_t now_ns = clock.WallNs();
  EventFilter filter = FilterOf(call.params, now_ns);
  if (auto refusal = Confine(call.caller, filter)) return *std::move(refusal);
  if (!filter.to_ns) filter.to_ns = now_ns;
  if (!filter.from_ns) filter.from_ns = *filter.to_ns - kHour;
  if (*filter.from_ns > *filter.to_ns) {
    return ParameterProblem(400, "to", "earlier than from", "a time that is not before from");
  }
  const uint64_t step_ns = call.params.Count("step_seconds", 60) * kSecond;
  const uint64_t range_ns = Distance(*filter.from_ns, *filter.to_ns);
  if (range_ns / step_ns >= kMostSteps) {
    return ParameterProblem(
        400, "step_seconds", fmt::format("the range has more than {} steps", kMostSteps),
        fmt::format("{} or more for this range", range_ns / kMostSteps / kSecond + 1));
  }
  const auto step = static_cast<int64_t>(step_ns);
  const uint64_t steps =
      (Distance(StepOf(*filter.from_ns, step), *filter.to_ns) + step_ns - 1) / step_ns;
  const auto counts = querier.Count(filter, step);
  if (!counts.ok()) return StatusProblem(counts.status());
  Response response;
  response.body =
      json::serialize(json::object{{"step_seconds", step_ns / kSecond},
                                   {"items", Steps(*counts, *filter.from_ns, step, steps)}});
  return response;
}

}  // namespace

Route EventCountsRoute(Querier& querier, const Clock& clock) {
  return {.method = "GET",
          .pattern = "/api/v1/events/counts",
          .help =
              "How many events there are, by step of tracer_time and by tracer. Steps begin at "
              "multiples of their length since 1970; without a range, the last hour.",
          .params = CountParams(),
          .replies = {{200, "The steps of the range.", "application/json", "EventCounts"}},
          .run = [&querier, &clock](const Call& call) { return Counts(querier, clock, call); },
          .scoped = true};
}

}  // namespace huatuo
