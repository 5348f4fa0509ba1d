#include "apiserver/store/sqlite_append.h"

#include <algorithm>
#include <string>

#include "apiserver/store/duplicate.h"
#include "apiserver/store/filter.h"
#include "apiserver/store/subjects.h"
#include "common/status_macros.h"

namespace huatuo {

absl::StatusOr<uint64_t> SqliteAppend::Run(std::span<const NodeCommit> commits) {
  for (const NodeCommit& commit : commits) RETURN_IF_ERROR(Add(commit));
  RETURN_IF_ERROR(InsertPostings());
  ASSIGN_OR_RETURN(Statement count,
                   database_.Kept("UPDATE state SET value = value + ? WHERE name = 'events'"));
  RETURN_IF_ERROR(count.Bind(static_cast<int64_t>(added_)).Run());
  return added_;
}

absl::Status SqliteAppend::Add(const NodeCommit& commit) {
  ASSIGN_OR_RETURN(const uint64_t before, HighWater(commit));
  uint64_t high_water = std::max(before, commit.high_water);
  for (const EventRow& event : commit.events) {
    if (event.sequence <= before) continue;
    high_water = std::max(high_water, event.sequence);
    ASSIGN_OR_RETURN(const bool stored, IsStored(commit, event));
    if (!stored) RETURN_IF_ERROR(Insert(commit, event));
  }
  for (const RejectedRow& row : commit.rejected) {
    if (row.sequence <= before) continue;
    high_water = std::max(high_water, row.sequence);
    RETURN_IF_ERROR(Reject(commit, row));
  }
  return SetHighWater(commit, high_water);
}

absl::StatusOr<uint64_t> SqliteAppend::HighWater(const NodeCommit& commit) {
  ASSIGN_OR_RETURN(Statement mark,
                   database_.Kept("SELECT sequence FROM high_water WHERE node = ? AND epoch = ?"));
  ASSIGN_OR_RETURN(const bool found, mark.Bind(commit.node).Bind(commit.epoch).Step());
  return found ? static_cast<uint64_t>(mark.Int(0)) : 0;
}

absl::Status SqliteAppend::SetHighWater(const NodeCommit& commit, uint64_t high_water) {
  ASSIGN_OR_RETURN(
      Statement mark,
      database_.Kept("INSERT INTO high_water VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                     "sequence = excluded.sequence, "
                     "uploaded_ns = max(uploaded_ns, excluded.uploaded_ns)"));
  mark.Bind(commit.node).Bind(commit.epoch).Bind(static_cast<int64_t>(high_water));
  return mark.Bind(commit.uploaded_ns).Run();
}

// Whether the event's id is taken: by the same event, or else the event becomes a rejected row.
absl::StatusOr<bool> SqliteAppend::IsStored(const NodeCommit& commit, const EventRow& event) {
  StoredEvent stored;
  {
    ASSIGN_OR_RETURN(Statement row,
                     database_.Kept("SELECT position, node, tracer_name, tracer_time_ns "
                                    "FROM event WHERE tracer_id = ?"));
    ASSIGN_OR_RETURN(const bool found, row.Bind(event.tracer_id).Step());
    if (!found) return false;
    stored.position = static_cast<uint64_t>(row.Int(0));
    stored.node = row.Text(1);
    stored.row.tracer_name = row.Text(2);
    stored.row.tracer_time_ns = row.Int(3);
  }
  if (!SameEvent(stored, commit.node, event)) {
    RETURN_IF_ERROR(Reject(commit, DuplicateId(event, stored.position)));
  }
  return true;
}

absl::Status SqliteAppend::Insert(const NodeCommit& commit, const EventRow& event) {
  ASSIGN_OR_RETURN(Statement row,
                   database_.Kept("INSERT INTO event(sequence, tracer_time_ns, uploaded_ns, "
                                  "tracer_id, tracer_name, task_id, node, subjects, document) "
                                  "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  const std::string subjects = SubjectsText(event.subjects);
  row.Bind(static_cast<int64_t>(event.sequence)).Bind(event.tracer_time_ns);
  row.Bind(commit.uploaded_ns).Bind(event.tracer_id).Bind(event.tracer_name).Bind(event.task_id);
  RETURN_IF_ERROR(row.Bind(commit.node).Bind(subjects).Bind(event.document).Run());
  const int64_t position = database_.LastRowid();
  for (const int64_t posting : PostingsOf(event, commit.node)) {
    postings_.emplace_back(posting, position);
  }
  ++added_;
  return absl::OkStatus();
}

absl::Status SqliteAppend::Reject(const NodeCommit& commit, const RejectedRow& rejected) {
  ASSIGN_OR_RETURN(Statement row,
                   database_.Kept("INSERT INTO rejected(node, sequence, uploaded_ns, reason, "
                                  "entry) VALUES(?, ?, ?, ?, ?)"));
  row.Bind(commit.node).Bind(static_cast<int64_t>(rejected.sequence)).Bind(commit.uploaded_ns);
  return row.Bind(rejected.reason).Bind(rejected.entry).Run();
}

// In the order of the table: one walk over it instead of a search for each.
absl::Status SqliteAppend::InsertPostings() {
  std::sort(postings_.begin(), postings_.end());
  ASSIGN_OR_RETURN(Statement row, database_.Kept("INSERT INTO posting VALUES(?, ?)"));
  for (const auto& [posting, position] : postings_) {
    row.Again();
    RETURN_IF_ERROR(row.Bind(posting).Bind(position).Run());
  }
  return absl::OkStatus();
}

}  // namespace huatuo
