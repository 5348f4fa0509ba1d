#include "apiserver/ingest/entries.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apiserver/ingest/exemplars.h"
#include "common/document.h"
#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr int kMaxEntries = 1000;
constexpr int kMaxSubjects = 8;
constexpr size_t kMaxText = 256;
constexpr size_t kMaxRejected = 4096;

// Where an entry begins: a gap stands for more than one sequence.
uint64_t First(const v1::Entry& entry) {
  return entry.has_gap() ? entry.gap().first_sequence() : entry.sequence();
}

bool IsRole(const std::string& role) {
  return role.size() <= 32 && std::all_of(role.begin(), role.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || c == '_';
         });
}

absl::Status CheckLength(std::string_view field, const std::string& text) {
  if (text.size() <= kMaxText) return absl::OkStatus();
  return InvalidArgument(fmt::format("{}: {} bytes: at most {}", field, text.size(), kMaxText));
}

absl::Status CheckSubject(const v1::Subject& subject) {
  if (!IsRole(subject.role())) return InvalidArgument("role: not at most 32 bytes of [a-z_]");
  const v1::Container& container = subject.container();
  const std::pair<std::string_view, const std::string&> texts[] = {
      {"id", container.id()},
      {"pod_uid", container.pod_uid()},
      {"qos", container.qos()},
      {"runtime", container.runtime()},
      {"type", container.type()},
      {"name", container.name()},
      {"hostname", container.hostname()}};
  for (const auto& [field, text] : texts) RETURN_IF_ERROR(CheckLength(field, text));
  return absl::OkStatus();
}

// What ends the stream: the peer does not speak of its own catalog.
absl::Status CheckKind(const v1::Catalog& catalog, const v1::Event& event) {
  if (static_cast<int64_t>(event.unit()) >= catalog.units_size()) {
    return InvalidArgument(
        fmt::format("unit: {}: the catalog has {}", event.unit(), catalog.units_size()));
  }
  const v1::Unit& unit = catalog.units(static_cast<int>(event.unit()));
  if (static_cast<int64_t>(event.type()) >= unit.events_size()) {
    return InvalidArgument(
        fmt::format("type: {}: unit {} has {}", event.type(), unit.name(), unit.events_size()));
  }
  if (event.tracer_id().size() != 16) {
    return InvalidArgument(fmt::format("tracer_id: {} bytes: not 16", event.tracer_id().size()));
  }
  return absl::OkStatus();
}

// What makes one event unfit: the node would send it for ever if it ended the stream, and nothing
// after it would arrive.
absl::Status CheckContent(const v1::EventType& type, const v1::Event& event) {
  RETURN_IF_ERROR(CheckLength("task_id", event.task_id()));
  if (event.subjects_size() > kMaxSubjects) {
    return InvalidArgument(
        fmt::format("subjects: {}: at most {}", event.subjects_size(), kMaxSubjects));
  }
  for (const v1::Subject& subject : event.subjects()) {
    RETURN_IF_ERROR(Annotate(CheckSubject(subject), "subjects"));
    const auto same = [&](const v1::Subject& other) { return other.role() == subject.role(); };
    if (std::ranges::count_if(event.subjects(), same) > 1) {
      return InvalidArgument(fmt::format("subjects: role: \"{}\" twice", subject.role()));
    }
  }
  for (const std::string& field : event.incomplete()) {
    RETURN_IF_ERROR(CheckLength("incomplete", field));
  }
  return Annotate(CheckValues(type, event), type.name());
}

absl::Status CheckBody(const v1::Catalog& catalog, const v1::Entry& entry) {
  switch (entry.body_case()) {
    case v1::Entry::kEvent:
      return CheckKind(catalog, entry.event());
    case v1::Entry::kGap:
      return CheckLength("gap: cause", entry.gap().cause());
    case v1::Entry::kNotObserved:
      RETURN_IF_ERROR(CheckLength("not_observed: cause", entry.not_observed().cause()));
      return CheckLength("not_observed: unit", entry.not_observed().unit());
    case v1::Entry::BODY_NOT_SET:
      break;
  }
  return InvalidArgument("neither event nor gap nor not_observed");
}

RejectedRow Reject(const v1::Entry& entry, std::string reason) {
  std::string bytes = entry.SerializeAsString();
  if (bytes.size() > kMaxRejected) bytes.resize(kMaxRejected);
  return {.sequence = entry.sequence(), .reason = std::move(reason), .entry = std::move(bytes)};
}

}  // namespace

EntryReader::EntryReader(const v1::Hello& hello, std::shared_ptr<const v1::Catalog> catalog,
                         std::map<uint32_t, std::string> refused, uint64_t high_water,
                         const KnownIssues* issues, const PodIndex* pods)
    : hello_(hello),
      catalog_(std::move(catalog)),
      refused_(std::move(refused)),
      issues_(issues),
      pods_(pods),
      sequences_(high_water, hello.next_sequence()) {}

absl::StatusOr<EntryReader::Batch> EntryReader::Read(const v1::EntryBatch& batch,
                                                     int64_t uploaded_ns) {
  if (batch.entries_size() > kMaxEntries) {
    return InvalidArgument(
        fmt::format("entries: {}: at most {}", batch.entries_size(), kMaxEntries));
  }
  Batch read;
  read.commit.node = hello_.node();
  read.commit.epoch = Hex(hello_.epoch());
  read.commit.uploaded_ns = uploaded_ns;
  read.commit.events.reserve(static_cast<size_t>(batch.entries_size()));
  for (const v1::Entry& entry : batch.entries()) {
    const absl::Status status = Add(entry, read);
    if (!status.ok()) return Annotate(status, fmt::format("entry {}", entry.sequence()));
  }
  read.commit.high_water = sequences_.covered();
  return read;
}

absl::Status EntryReader::Add(const v1::Entry& entry, Batch& batch) {
  RETURN_IF_ERROR(sequences_.Check(First(entry), entry.sequence(), entry.has_gap()));
  RETURN_IF_ERROR(CheckBody(*catalog_, entry));
  sequences_.Saw(entry.sequence());
  if (entry.sequence() <= sequences_.covered()) {
    ++batch.duplicates;
    return absl::OkStatus();
  }
  CoverLost(First(entry), batch);
  if (entry.has_gap()) {
    AddGap(entry.gap(), entry.sequence(), batch);
  } else if (entry.has_event()) {
    AddEvent(entry, batch);
  } else {
    batch.commit.events.push_back(
        NotObservedDocument({.hello = hello_, .uploaded_ns = batch.commit.uploaded_ns},
                            entry.not_observed(), entry.sequence()));
  }
  sequences_.Cover(entry.sequence());
  return absl::OkStatus();
}

void EntryReader::CoverLost(uint64_t first, Batch& batch) {
  if (first <= sequences_.covered() + 1) return;
  v1::Gap gap;
  gap.set_first_sequence(sequences_.covered() + 1);
  gap.set_cause("not_in_store");
  AddGap(std::move(gap), first - 1, batch);
  sequences_.Cover(first - 1);
}

void EntryReader::AddGap(v1::Gap gap, uint64_t last_sequence, Batch& batch) const {
  // What was stored before the node gave the rest up is not missing.
  gap.set_first_sequence(std::max(gap.first_sequence(), sequences_.covered() + 1));
  batch.missing += last_sequence - gap.first_sequence() + 1;
  batch.commit.events.push_back(
      GapDocument({.hello = hello_, .uploaded_ns = batch.commit.uploaded_ns}, gap, last_sequence));
}

absl::StatusOr<EventResult> EntryReader::Document(const v1::EventType& type, const v1::Entry& entry,
                                                  int64_t uploaded_ns) const {
  RETURN_IF_ERROR(CheckContent(type, entry.event()));
  return EventDocument(
      {.hello = hello_, .uploaded_ns = uploaded_ns, .issues = issues_, .pods = pods_}, type, entry);
}

void EntryReader::AddEvent(const v1::Entry& entry, Batch& batch) const {
  const v1::Event& event = entry.event();
  const auto refused = refused_.find(event.unit());
  if (refused != refused_.end()) {
    batch.commit.rejected.push_back(Reject(entry, refused->second));
    return;
  }
  const v1::EventType& type =
      catalog_->units(static_cast<int>(event.unit())).events(static_cast<int>(event.type()));
  absl::StatusOr<EventResult> result = Document(type, entry, batch.commit.uploaded_ns);
  if (!result.ok()) {
    batch.commit.rejected.push_back(Reject(entry, Message(result.status())));
  } else if (result->silenced) {
    ++batch.silenced;
  } else {
    batch.commit.events.push_back(std::move(result->row));
    AddExemplars(type, event, batch.exemplars);
  }
}

}  // namespace huatuo
