#include "apiserver/store/postgres_profile_append.h"

#include <algorithm>
#include <array>
#include <map>
#include <unordered_set>

#include "apiserver/store/filter.h"
#include "apiserver/store/postgres_days.h"
#include "apiserver/store/postgres_text.h"
#include "apiserver/store/postgres_writer.h"
#include "apiserver/store/subjects.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// What a row occupies beside its blob and document.
constexpr uint64_t kRowBytes = 500;

constexpr std::array kColumns = {"position",    "sequence",   "time_ns",    "duration_ns",
                                 "uploaded_ns", "bytes",      "blob_bytes", "id",
                                 "unit",        "type",       "task_id",    "node",
                                 "postings",    "containers", "document",   "blob"};

uint64_t BytesOf(const NewProfile& profile) {
  return kRowBytes + profile.blob.size() + profile.row.document.size();
}

// One Append, under the lock of the writer.
class Appending {
 public:
  explicit Appending(PostgresWriter& writer) : writer_(writer), session_(writer.session()) {}

  absl::StatusOr<uint64_t> Run(std::span<const ProfileCommit> commits) {
    for (const ProfileCommit& commit : commits) RETURN_IF_ERROR(Choose(commit));
    RETURN_IF_ERROR(DropStored());
    if (!profiles_.empty()) RETURN_IF_ERROR(Copy());
    return profiles_.size();
  }

 private:
  struct New {
    const ProfileCommit* commit;
    const NewProfile* profile;
  };

  absl::Status Choose(const ProfileCommit& commit) {
    const PostgresWriter::NodeEpoch node{commit.node, commit.epoch};
    const uint64_t before = writer_.Mark(node);
    uint64_t mark = commit.high_water;
    for (const NewProfile& profile : commit.profiles) {
      if (profile.row.sequence <= before) continue;
      mark = std::max(mark, profile.row.sequence);
      if (ids_.insert(profile.row.id).second) profiles_.push_back({&commit, &profile});
    }
    for (const ProfileGap& gap : commit.gaps) {
      if (gap.last_sequence <= before) continue;
      mark = std::max(mark, gap.last_sequence);
      RETURN_IF_ERROR(InsertGap(commit, gap));
    }
    writer_.Raise(node, mark, commit.uploaded_ns);
    return absl::OkStatus();
  }

  absl::Status InsertGap(const ProfileCommit& commit, const ProfileGap& gap) {
    return session_
        .Kept(
            "INSERT INTO gap VALUES($1, $2::bigint, $3::bigint, $4, $5::bigint, $6::bigint, "
            "$7::bigint)",
            {EncodeText(commit.node), std::to_string(static_cast<int64_t>(gap.first_sequence)),
             std::to_string(static_cast<int64_t>(gap.last_sequence)), EncodeText(gap.cause),
             std::to_string(gap.from_ns), std::to_string(gap.to_ns),
             std::to_string(commit.uploaded_ns)})
        .status();
  }

  absl::Status DropStored() {
    if (profiles_.empty()) return absl::OkStatus();
    const std::vector<std::string> ids(ids_.begin(), ids_.end());
    ASSIGN_OR_RETURN(
        const PgResult rows,
        session_.Kept("SELECT id FROM profile WHERE id = ANY($1::text[])", {TextArray(ids)}));
    std::unordered_set<std::string> stored;
    for (size_t i = 0; i < rows.size(); ++i) stored.insert(rows.Text(i, 0));
    std::erase_if(profiles_, [&](const New& n) { return stored.contains(n.profile->row.id); });
    return absl::OkStatus();
  }

  absl::Status Copy() {
    std::map<int64_t, PostgresDays::Added> days;
    for (const New& n : profiles_) {
      PostgresDays::Added& day = days[PostgresDays::DayOf(n.commit->uploaded_ns)];
      ++day.rows;
      day.bytes += BytesOf(*n.profile);
    }
    RETURN_IF_ERROR(PostgresDays("profile").Add(session_, days));
    return session_.Copy<kColumns.size()>(
        "profile", kColumns, profiles_.size(), [this](size_t i, auto& fields) {
          Fill(*profiles_[i].commit, *profiles_[i].profile, fields);
        });
  }

  void Fill(const ProfileCommit& commit, const NewProfile& profile,
            std::array<std::string, kColumns.size()>& fields) {
    const ProfileRow& row = profile.row;
    fields[0] = std::to_string(writer_.NextPosition());
    fields[1] = std::to_string(static_cast<int64_t>(row.sequence));
    fields[2] = std::to_string(row.time_ns);
    fields[3] = std::to_string(row.duration_ns);
    fields[4] = std::to_string(commit.uploaded_ns);
    fields[5] = std::to_string(BytesOf(profile));
    fields[6] = std::to_string(profile.blob.size());
    fields[7] = EncodeText(row.id);
    fields[8] = EncodeText(row.unit);
    fields[9] = EncodeText(row.type);
    fields[10] = EncodeText(row.task_id);
    fields[11] = EncodeText(commit.node);
    fields[12] = IntArray(PostingsOf(row, commit.node));
    fields[13] = EncodeText(SubjectsText(row.containers));
    fields[14] = EncodeText(row.document);
    fields[15] = ByteaText(profile.blob);
  }

  PostgresWriter& writer_;
  PgSession& session_;
  std::unordered_set<std::string> ids_;
  std::vector<New> profiles_;
};

}  // namespace

std::vector<int64_t> PostingsOf(const ProfileRow& row, const std::string& node) {
  EventRow event;
  event.tracer_name = row.unit;
  event.task_id = row.task_id;
  for (const SubjectRow& container : row.containers) {
    event.subjects.push_back(container);
  }
  return PostingsOf(event, node);
}

std::vector<int64_t> PostingsOf(const ProfileFilter& filter) {
  EventFilter event;
  event.tracer = filter.unit;
  event.node = filter.node;
  event.namespace_name = filter.namespace_name;
  event.pod = filter.pod;
  event.container = filter.container;
  event.task_id = filter.task_id;
  return PostingsOf(event);
}

absl::StatusOr<uint64_t> AppendPostgresProfiles(PgSession& session,
                                                std::span<const ProfileCommit> commits) {
  std::vector<PostgresWriter::NodeEpoch> nodes;
  for (const ProfileCommit& commit : commits) nodes.emplace_back(commit.node, commit.epoch);
  ASSIGN_OR_RETURN(PostgresWriter writer, PostgresWriter::Begin(session, "profile", nodes));
  ASSIGN_OR_RETURN(const uint64_t added, Appending(writer).Run(commits));
  RETURN_IF_ERROR(writer.Commit());
  return added;
}

}  // namespace huatuo
