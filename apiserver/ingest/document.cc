#include "apiserver/ingest/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <utility>

#include "apiserver/ingest/subjects.h"
#include "common/document.h"
#include "common/id.h"
#include "common/status.h"

namespace huatuo {
namespace {

namespace json = boost::json;

constexpr size_t kMaxDocument = 1 << 20;

bool Finite(const v1::Value& value) {
  const auto all = [](const auto& values) {
    return std::all_of(values.begin(), values.end(), Finite);
  };
  switch (value.kind_case()) {
    case v1::Value::kNumber:
      return std::isfinite(value.number());
    case v1::Value::kList:
      return all(value.list().values());
    case v1::Value::kRecord:
      return all(value.record().values());
    case v1::Value::kMap:
      return all(value.map().values());
    default:
      return true;
  }
}

// Unknown is absent.
void Add(json::object& document, const std::string& key, const std::string& value) {
  if (!value.empty()) document[key] = value;
}

// `row` has everything but the document.
json::object Envelope(const Origin& origin, const EventRow& row) {
  const std::string time = Rfc3339(row.tracer_time_ns);
  json::object document{{"tracer_name", row.tracer_name},
                        {"tracer_id", row.tracer_id},
                        {"tracer_type", row.task_id.empty() ? "auto" : "manual"}};
  Add(document, "task_id", row.task_id);
  document["tracer_time"] = time;
  document["time"] = time;
  document["uploaded_time"] = Rfc3339(origin.uploaded_ns);
  const v1::Hello& hello = origin.hello;
  document["hostname"] = hello.hostname().empty() ? hello.node() : hello.hostname();
  // Readers filter by it; it need not be what the host calls itself.
  document["node"] = hello.node();
  Add(document, "region", hello.region());
  return document;
}

// A UUIDv7 that is the same however often the same entry is read: the millisecond, then bits of a
// hash of where the entry is from.
std::string DerivedId(const Origin& origin, int64_t time_ns, uint64_t sequence) {
  const auto ms = static_cast<uint64_t>(std::max<int64_t>(time_ns, 0)) / 1'000'000;
  std::string id =
      Sha256(fmt::format("{}/{}/{}", origin.hello.node(), Hex(origin.hello.epoch()), sequence));
  id.resize(16);
  for (size_t i = 0; i < 6; ++i) id[i] = static_cast<char>(ms >> (40 - 8 * i));
  id[6] = static_cast<char>(0x70 | (id[6] & 0x0F));
  id[8] = static_cast<char>(0x80 | (id[8] & 0x3F));
  return UuidText(id);
}

json::value TimeOrNull(int64_t ns) {
  return ns == 0 ? json::value(nullptr) : json::value(Rfc3339(ns));
}

EventRow Missing(const Origin& origin, std::string_view name, int64_t time_ns, uint64_t sequence,
                 json::object facts) {
  // Without a time of its own it is told when it came.
  if (time_ns == 0) time_ns = origin.uploaded_ns;
  EventRow row{.sequence = sequence,
               .tracer_id = DerivedId(origin, time_ns, sequence),
               .tracer_name = std::string(name),
               .task_id = {},
               .tracer_time_ns = time_ns,
               .subjects = {},
               .document = {}};
  json::object document = Envelope(origin, row);
  document["tracer_data"] = std::move(facts);
  row.document = json::serialize(document);
  return row;
}

// Returns whether the issue is to be silenced.
bool AddKnownIssue(const Origin& origin, json::object& document) {
  if (origin.issues == nullptr) return false;
  const std::optional<KnownIssues::Verdict> verdict = origin.issues->Judge(document);
  if (!verdict.has_value()) return false;
  document["known_issue"] = verdict->name;
  return verdict->silence;
}

}  // namespace

absl::StatusOr<EventResult> EventDocument(const Origin& origin, const v1::EventType& type,
                                          const v1::Entry& entry) {
  const v1::Event& event = entry.event();
  if (!std::all_of(event.values().begin(), event.values().end(), Finite)) {
    return InvalidArgument(fmt::format("{}: a number that is not finite", type.name()));
  }
  EventResult result;
  EventRow& row = result.row;
  row = {.sequence = entry.sequence(),
         .tracer_id = UuidText(event.tracer_id()),
         .tracer_name = type.name(),
         .task_id = event.task_id(),
         .tracer_time_ns = event.time_ns(),
         .subjects = {},
         .document = {}};
  json::object document = Envelope(origin, row);
  for (const v1::Subject& subject : event.subjects()) {
    if (!subject.has_container()) continue;
    row.subjects.push_back(TellSubject(subject, origin.pods, document));
  }
  document["tracer_data"] = TracerData(type, event);
  result.silenced = AddKnownIssue(origin, document) && event.task_id().empty();
  row.document = json::serialize(document);
  if (row.document.size() > kMaxDocument) {
    return InvalidArgument(fmt::format("{}: a document of {} bytes: at most {}", type.name(),
                                       row.document.size(), kMaxDocument));
  }
  return result;
}

EventRow GapDocument(const Origin& origin, const v1::Gap& gap, uint64_t last_sequence) {
  return Missing(origin, "gap", gap.to_ns(), last_sequence,
                 {{"first_sequence", gap.first_sequence()},
                  {"last_sequence", last_sequence},
                  {"count", last_sequence - gap.first_sequence() + 1},
                  {"cause", gap.cause()},
                  {"from", TimeOrNull(gap.from_ns())},
                  {"to", TimeOrNull(gap.to_ns())}});
}

EventRow NotObservedDocument(const Origin& origin, const v1::NotObserved& not_observed,
                             uint64_t sequence) {
  json::object facts{{"cause", not_observed.cause()},
                     {"from", TimeOrNull(not_observed.from_ns())},
                     {"to", TimeOrNull(not_observed.to_ns())}};
  Add(facts, "unit", not_observed.unit());
  return Missing(origin, "not_observed", not_observed.to_ns(), sequence, std::move(facts));
}

}  // namespace huatuo
