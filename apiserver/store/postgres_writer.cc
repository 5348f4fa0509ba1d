#include "apiserver/store/postgres_writer.h"

#include <algorithm>

#include "apiserver/store/postgres_text.h"
#include "common/status_macros.h"

namespace huatuo {

absl::StatusOr<PostgresWriter> PostgresWriter::Begin(PgSession& session, const std::string& kind,
                                                     const std::vector<NodeEpoch>& nodes) {
  ASSIGN_OR_RETURN(PgTransaction transaction,
                   PgTransaction::Begin(session, PgTransaction::Kind::kWrite));
  PostgresWriter writer(session, std::move(transaction), kind);
  RETURN_IF_ERROR(writer.Lock());
  RETURN_IF_ERROR(writer.LoadMarks(nodes));
  return writer;
}

absl::Status PostgresWriter::Lock() {
  ASSIGN_OR_RETURN(
      const PgResult counter,
      session_->Kept("SELECT position FROM counter WHERE kind = $1 FOR UPDATE", {kind_}));
  first_position_ = position_ = counter.Int(0, 0);
  return absl::OkStatus();
}

absl::Status PostgresWriter::LoadMarks(const std::vector<NodeEpoch>& nodes) {
  if (nodes.empty()) return absl::OkStatus();
  std::vector<std::string> names;
  std::vector<std::string> epochs;
  for (const auto& [node, epoch] : nodes) {
    names.push_back(node);
    epochs.push_back(epoch);
  }
  ASSIGN_OR_RETURN(const PgResult rows,
                   session_->Kept("SELECT h.node, h.epoch, h.sequence, h.uploaded_ns "
                                  "FROM unnest($2::text[], $3::text[]) w(node, epoch) "
                                  "JOIN high_water h ON h.kind = $1 AND h.node = w.node "
                                  "AND h.epoch = w.epoch",
                                  {kind_, TextArray(names), TextArray(epochs)}));
  for (size_t i = 0; i < rows.size(); ++i) {
    marks_[{rows.Text(i, 0), rows.Text(i, 1)}] = {static_cast<uint64_t>(rows.Int(i, 2)),
                                                  rows.Int(i, 3), false};
  }
  return absl::OkStatus();
}

uint64_t PostgresWriter::Mark(const NodeEpoch& node) const {
  const auto found = marks_.find(node);
  return found == marks_.end() ? 0 : found->second.sequence;
}

void PostgresWriter::Raise(const NodeEpoch& node, uint64_t sequence, int64_t uploaded_ns) {
  HighWater& mark = marks_[node];
  mark.sequence = std::max(mark.sequence, sequence);
  mark.uploaded_ns = std::max(mark.uploaded_ns, uploaded_ns);
  mark.raised = true;
}

absl::Status PostgresWriter::Commit() {
  if (position_ != first_position_) {
    RETURN_IF_ERROR(session_
                        ->Kept("WITH moved AS (UPDATE counter SET position = $2::bigint "
                               "WHERE kind = $1 RETURNING kind) SELECT pg_notify('huatuo', kind || "
                               "' ' || current_setting('application_name')) FROM moved",
                               {kind_, std::to_string(position_)})
                        .status());
  }
  RETURN_IF_ERROR(WriteMarks());
  return transaction_.Commit();
}

absl::Status PostgresWriter::WriteMarks() {
  std::vector<std::string> nodes;
  std::vector<std::string> epochs;
  std::vector<int64_t> sequences;
  std::vector<int64_t> times;
  for (const auto& [node, mark] : marks_) {
    if (!mark.raised) continue;
    nodes.push_back(node.first);
    epochs.push_back(node.second);
    sequences.push_back(static_cast<int64_t>(mark.sequence));
    times.push_back(mark.uploaded_ns);
  }
  if (nodes.empty()) return absl::OkStatus();
  return session_
      ->Kept(
          "INSERT INTO high_water SELECT $1, w.* FROM unnest($2::text[], $3::text[], "
          "$4::bigint[], $5::bigint[]) w ON CONFLICT (kind, node, epoch) DO UPDATE SET "
          "sequence = excluded.sequence, uploaded_ns = excluded.uploaded_ns",
          {kind_, TextArray(nodes), TextArray(epochs), IntArray(sequences), IntArray(times)})
      .status();
}

absl::StatusOr<uint64_t> PostgresMark(PgSession& session, const std::string& kind,
                                      std::string_view node, std::string_view epoch) {
  ASSIGN_OR_RETURN(const PgResult mark, session.Kept("SELECT sequence FROM high_water "
                                                     "WHERE kind = $1 AND node = $2 AND epoch = $3",
                                                     {kind, EncodeText(node), EncodeText(epoch)}));
  return mark.empty() ? 0 : static_cast<uint64_t>(mark.Int(0, 0));
}

absl::Status PrunePostgresMarks(PgSession& session, const std::string& kind, int64_t uploaded_ns) {
  return session
      .Kept(
          "DELETE FROM high_water h WHERE h.kind = $1 AND h.uploaded_ns < $2::bigint AND "
          "EXISTS(SELECT 1 FROM high_water n WHERE n.kind = h.kind AND n.node = h.node "
          "AND n.uploaded_ns > h.uploaded_ns)",
          {kind, std::to_string(uploaded_ns)})
      .status();
}

}  // namespace huatuo
