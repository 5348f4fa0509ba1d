#include "apiserver/store/sqlite_rows.h"

#include "apiserver/store/subjects.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

enum Column {
  kPosition,
  kSequence,
  kTracerTime,
  kUploaded,
  kTracerId,
  kTracer,
  kTask,
  kNode,
  kSubjects,
  kDocument
};

absl::StatusOr<StoredEvent> ReadAllButDocument(const Statement& row) {
  StoredEvent event;
  event.position = static_cast<uint64_t>(row.Int(kPosition));
  event.uploaded_ns = row.Int(kUploaded);
  event.node = row.Text(kNode);
  event.row.sequence = static_cast<uint64_t>(row.Int(kSequence));
  event.row.tracer_time_ns = row.Int(kTracerTime);
  event.row.tracer_id = row.Text(kTracerId);
  event.row.tracer_name = row.Text(kTracer);
  event.row.task_id = row.Text(kTask);
  ASSIGN_OR_RETURN(event.row.subjects, ParseSubjects(row.Text(kSubjects)));
  return event;
}

}  // namespace

absl::StatusOr<StoredEvent> ReadEvent(const Statement& row) {
  ASSIGN_OR_RETURN(StoredEvent event, ReadAllButDocument(row));
  event.row.document = row.Text(kDocument);
  return event;
}

absl::StatusOr<std::optional<StoredEvent>> ReadMatching(const Statement& row,
                                                        const Matcher& matcher) {
  if (!matcher.MatchesTime(row.Int(kTracerTime))) return std::nullopt;
  if (!matcher.MatchesText(row.Text(kDocument))) return std::nullopt;
  ASSIGN_OR_RETURN(StoredEvent event, ReadAllButDocument(row));
  if (!matcher.MatchesNames(event.row, event.node)) return std::nullopt;
  if (!matcher.MatchesSubjects(event.row.subjects)) return std::nullopt;
  event.row.document = row.Text(kDocument);
  return event;
}

}  // namespace huatuo
