#include "apiserver/store/postgres_append.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <unordered_map>
#include <vector>

#include "apiserver/store/duplicate.h"
#include "apiserver/store/filter.h"
#include "apiserver/store/postgres_days.h"
#include "apiserver/store/postgres_text.h"
#include "apiserver/store/postgres_writer.h"
#include "apiserver/store/subjects.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// What a row occupies beside its texts, indexes included; only the proportions between rows count.
constexpr uint64_t kRowBytes = 400;

using Days = std::map<int64_t, PostgresDays::Added>;

constexpr std::array kEventColumns = {"position", "sequence",  "tracer_time_ns", "uploaded_ns",
                                      "bytes",    "tracer_id", "tracer_name",    "task_id",
                                      "node",     "postings",  "subjects",       "document"};
constexpr std::array kRejectedColumns = {"position", "sequence", "uploaded_ns", "bytes",
                                         "node",     "reason",   "entry"};

uint64_t BytesOf(const EventRow& event) {
  const uint64_t bytes = kRowBytes + event.document.size() + 80 * event.subjects.size();
  return std::min<uint64_t>(bytes, std::numeric_limits<int32_t>::max());
}

uint64_t BytesOf(const RejectedRow& row) {
  return kRowBytes / 2 + row.reason.size() + row.entry.size();
}

// One Append, under the lock of the writer.
class Appending {
 public:
  explicit Appending(PostgresWriter& writer) : writer_(writer), session_(writer.session()) {}

  absl::StatusOr<uint64_t> Run(std::span<const NodeCommit> commits) {
    for (const NodeCommit& commit : commits) Choose(commit);
    RETURN_IF_ERROR(LoadStored());
    for (const Entry& entry : entries_) Sort(entry);
    RETURN_IF_ERROR(CopyEvents());
    RETURN_IF_ERROR(CopyRejected());
    return events_.size();
  }

 private:
  // Above the mark, in order: an event, or else a rejected row.
  struct Entry {
    const NodeCommit* commit;
    const EventRow* event;
    const RejectedRow* rejected;
  };
  struct NewEvent {
    int64_t position;
    const NodeCommit* commit;
    const EventRow* event;
  };
  struct NewRejected {
    const NodeCommit* commit;
    RejectedRow row;
  };

  void Choose(const NodeCommit& commit) {
    const PostgresWriter::NodeEpoch node{commit.node, commit.epoch};
    const uint64_t before = writer_.Mark(node);
    uint64_t mark = commit.high_water;
    for (const EventRow& event : commit.events) {
      if (event.sequence <= before) continue;
      mark = std::max(mark, event.sequence);
      entries_.push_back({&commit, &event, nullptr});
    }
    for (const RejectedRow& row : commit.rejected) {
      if (row.sequence <= before) continue;
      mark = std::max(mark, row.sequence);
      entries_.push_back({&commit, nullptr, &row});
    }
    writer_.Raise(node, mark, commit.uploaded_ns);
  }

  // Those of the ids that are taken.
  absl::Status LoadStored() {
    std::vector<std::string> ids;
    for (const Entry& entry : entries_) {
      if (entry.event != nullptr) ids.push_back(entry.event->tracer_id);
    }
    if (ids.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const PgResult rows,
                     session_.Kept("SELECT tracer_id, position, node, tracer_name, tracer_time_ns "
                                   "FROM event WHERE tracer_id = ANY($1::text[])",
                                   {TextArray(ids)}));
    for (size_t i = 0; i < rows.size(); ++i) {
      StoredEvent& stored = stored_[rows.Text(i, 0)];
      stored.position = static_cast<uint64_t>(rows.Int(i, 1));
      stored.node = rows.Text(i, 2);
      stored.row.tracer_name = rows.Text(i, 3);
      stored.row.tracer_time_ns = rows.Int(i, 4);
    }
    return absl::OkStatus();
  }

  void Sort(const Entry& entry) {
    if (entry.event == nullptr) {
      rejected_.push_back({entry.commit, *entry.rejected});
      return;
    }
    const auto [place, is_new] = stored_.try_emplace(entry.event->tracer_id);
    StoredEvent& stored = place->second;
    if (is_new) {
      stored.position = static_cast<uint64_t>(writer_.NextPosition());
      stored.node = entry.commit->node;
      stored.row.tracer_name = entry.event->tracer_name;
      stored.row.tracer_time_ns = entry.event->tracer_time_ns;
      events_.push_back({static_cast<int64_t>(stored.position), entry.commit, entry.event});
    } else if (!SameEvent(stored, entry.commit->node, *entry.event)) {
      rejected_.push_back({entry.commit, DuplicateId(*entry.event, stored.position)});
    }
  }

  template <typename Row>
  static void Count(const NodeCommit& commit, const Row& row, Days& days) {
    PostgresDays::Added& day = days[PostgresDays::DayOf(commit.uploaded_ns)];
    ++day.rows;
    day.bytes += BytesOf(row);
  }

  absl::Status CopyEvents() {
    if (events_.empty()) return absl::OkStatus();
    Days days;
    for (const NewEvent& e : events_) Count(*e.commit, *e.event, days);
    RETURN_IF_ERROR(PostgresDays("event").Add(session_, days));
    return session_.Copy<kEventColumns.size()>(
        "event", kEventColumns, events_.size(), [this](size_t i, auto& fields) {
          const EventRow& event = *events_[i].event;
          const NodeCommit& commit = *events_[i].commit;
          fields[0] = std::to_string(events_[i].position);
          fields[1] = std::to_string(static_cast<int64_t>(event.sequence));
          fields[2] = std::to_string(event.tracer_time_ns);
          fields[3] = std::to_string(commit.uploaded_ns);
          fields[4] = std::to_string(BytesOf(event));
          fields[5] = EncodeText(event.tracer_id);
          fields[6] = EncodeText(event.tracer_name);
          fields[7] = EncodeText(event.task_id);
          fields[8] = EncodeText(commit.node);
          fields[9] = IntArray(PostingsOf(event, commit.node));
          fields[10] = EncodeText(SubjectsText(event.subjects));
          fields[11] = EncodeText(event.document);
        });
  }

  absl::Status CopyRejected() {
    if (rejected_.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const PgResult counter,
                     session_.Kept("UPDATE counter SET position = position + $1::bigint "
                                   "WHERE kind = 'rejected' RETURNING position",
                                   {std::to_string(rejected_.size())}));
    const int64_t before = counter.Int(0, 0) - static_cast<int64_t>(rejected_.size());
    Days days;
    for (const NewRejected& r : rejected_) Count(*r.commit, r.row, days);
    RETURN_IF_ERROR(PostgresDays("rejected").Add(session_, days));
    return session_.Copy<kRejectedColumns.size()>(
        "rejected", kRejectedColumns, rejected_.size(), [&](size_t i, auto& fields) {
          const RejectedRow& row = rejected_[i].row;
          fields[0] = std::to_string(before + 1 + static_cast<int64_t>(i));
          fields[1] = std::to_string(static_cast<int64_t>(row.sequence));
          fields[2] = std::to_string(rejected_[i].commit->uploaded_ns);
          fields[3] = std::to_string(BytesOf(row));
          fields[4] = EncodeText(rejected_[i].commit->node);
          fields[5] = EncodeText(row.reason);
          fields[6] = EncodeText(row.entry);
        });
  }

  PostgresWriter& writer_;
  PgSession& session_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, StoredEvent> stored_;  // by tracer_id
  std::vector<NewEvent> events_;
  std::vector<NewRejected> rejected_;
};

}  // namespace

absl::StatusOr<uint64_t> AppendEvents(PgSession& session, std::span<const NodeCommit> commits) {
  std::vector<PostgresWriter::NodeEpoch> nodes;
  for (const NodeCommit& commit : commits) nodes.emplace_back(commit.node, commit.epoch);
  ASSIGN_OR_RETURN(PostgresWriter writer, PostgresWriter::Begin(session, "event", nodes));
  ASSIGN_OR_RETURN(const uint64_t added, Appending(writer).Run(commits));
  RETURN_IF_ERROR(writer.Commit());
  return added;
}

}  // namespace huatuo
