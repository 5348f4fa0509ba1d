#include "apiserver/ingest/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string_view>

#include "apiserver/ingest/subjects.h"
#include "common/document.h"
#include "common/id.h"
#include "common/status.h"

namespace huatuo {
namespace {

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
void Add(JsonText& document, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  document.Key(key);
  document.Text(value);
}

void Add(JsonText& document, std::string_view key, uint64_t value) {
  document.Key(key);
  document.Uint(value);
}

void AddTime(JsonText& document, std::string_view key, int64_t ns) {
  document.Key(key);
  return ns == 0 ? document.Null() : document.Text(Rfc3339(ns));
}

// Begins the document. `row` has everything but the document.
void AddEnvelope(JsonText& document, const Origin& origin, const EventRow& row) {
  const std::string time = Rfc3339(row.tracer_time_ns);
  document.BeginObject();
  Add(document, "tracer_name", row.tracer_name);
  Add(document, "tracer_id", row.tracer_id);
  Add(document, "tracer_type", row.task_id.empty() ? "auto" : "manual");
  Add(document, "task_id", row.task_id);
  Add(document, "tracer_time", time);
  Add(document, "time", time);
  Add(document, "uploaded_time", Rfc3339(origin.uploaded_ns));
  const v1::Hello& hello = origin.hello;
  Add(document, "hostname", hello.hostname().empty() ? hello.node() : hello.hostname());
  // Readers filter by it; it need not be what the host calls itself.
  Add(document, "node", hello.node());
  Add(document, "region", hello.region());
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

// A document of what did not come; `facts` are written into its tracer_data.
EventRow Missing(const Origin& origin, std::string_view name, int64_t time_ns, uint64_t sequence,
                 const std::function<void(JsonText&)>& facts) {
  // Without a time of its own it is told when it came.
  if (time_ns == 0) time_ns = origin.uploaded_ns;
  EventRow row{.sequence = sequence,
               .tracer_id = DerivedId(origin, time_ns, sequence),
               .tracer_name = std::string(name),
               .task_id = {},
               .tracer_time_ns = time_ns,
               .subjects = {},
               .document = {}};
  JsonText document;
  AddEnvelope(document, origin, row);
  document.Key("tracer_data");
  document.BeginObject();
  facts(document);
  document.EndObject();
  document.EndObject();
  row.document = document.text();
  return row;
}

// Returns whether the issue is to be silenced. The document has all but its end.
bool AddKnownIssue(const Origin& origin, JsonText& document) {
  if (origin.issues == nullptr) return false;
  const std::optional<KnownIssues::Verdict> verdict =
      origin.issues->Judge(std::string(document.text()) + "}");
  if (!verdict.has_value()) return false;
  Add(document, "known_issue", verdict->name);
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
  JsonText document;
  AddEnvelope(document, origin, row);
  for (const v1::Subject& subject : event.subjects()) {
    if (!subject.has_container()) continue;
    row.subjects.push_back(TellSubject(subject, origin.pods, document));
  }
  document.Key("tracer_data");
  AddTracerData(document, type, event);
  result.silenced = AddKnownIssue(origin, document) && event.task_id().empty();
  document.EndObject();
  row.document = document.text();
  if (row.document.size() > kMaxDocument) {
    return InvalidArgument(fmt::format("{}: a document of {} bytes: at most {}", type.name(),
                                       row.document.size(), kMaxDocument));
  }
  return result;
}

EventRow GapDocument(const Origin& origin, const v1::Gap& gap, uint64_t last_sequence) {
  return Missing(origin, "gap", gap.to_ns(), last_sequence, [&](JsonText& facts) {
    Add(facts, "first_sequence", gap.first_sequence());
    Add(facts, "last_sequence", last_sequence);
    Add(facts, "count", last_sequence - gap.first_sequence() + 1);
    facts.Key("cause");
    facts.Text(gap.cause());
    AddTime(facts, "from", gap.from_ns());
    AddTime(facts, "to", gap.to_ns());
  });
}

EventRow NotObservedDocument(const Origin& origin, const v1::NotObserved& not_observed,
                             uint64_t sequence) {
  return Missing(origin, "not_observed", not_observed.to_ns(), sequence, [&](JsonText& facts) {
    facts.Key("cause");
    facts.Text(not_observed.cause());
    AddTime(facts, "from", not_observed.from_ns());
    AddTime(facts, "to", not_observed.to_ns());
    Add(facts, "unit", not_observed.unit());
  });
}

}  // namespace huatuo
