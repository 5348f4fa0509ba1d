#include "apiserver/ingest/writer.h"

#include <algorithm>
#include <utility>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

size_t Bytes(const NodeCommit& commit) {
  size_t bytes = 256;
  for (const EventRow& row : commit.events) bytes += row.document.size() + 256;
  for (const RejectedRow& row : commit.rejected) bytes += row.entry.size() + 256;
  return bytes;
}

// What the store would not take as an event. Its document is the nearest thing to the entry that is
// still there.
RejectedRow Reject(const EventRow& row, const absl::Status& why) {
  return {.sequence = row.sequence, .reason = Message(why), .entry = row.document.substr(0, 4096)};
}

NodeCommit Part(const NodeCommit& commit, uint64_t high_water) {
  return {.node = commit.node,
          .epoch = commit.epoch,
          .high_water = high_water,
          .uploaded_ns = commit.uploaded_ns,
          .events = {},
          .rejected = {}};
}

}  // namespace

Writer::Writer(Appender& appender, CommitSignal& signal, IngestMetrics& metrics, const Clock& clock,
               WriterOptions options)
    : appender_(appender),
      signal_(signal),
      metrics_(metrics),
      clock_(clock),
      queue_(
          clock, options, "events",
          {.store = [this](Group& group) { return CommitGroup(group); },
           .done = [this](Group& group) { Done(group); },
           .resized = [this](size_t commits, size_t bytes) { metrics_.Queue(commits, bytes); }}) {}

Pressure Writer::Submit(NodeCommit commit, Stored stored) {
  const size_t bytes = Bytes(commit);
  return queue_.Submit(std::move(commit), std::move(stored), bytes);
}

absl::Status Writer::CommitGroup(Group& group) {
  group_ns_ = clock_.BootNs();
  std::vector<NodeCommit> commits;
  commits.reserve(group.size());
  for (Item& item : group) commits.push_back(std::move(item.commit));
  const absl::Status status = Append(commits);
  for (size_t i = 0; i < group.size(); ++i) group[i].commit = std::move(commits[i]);
  return status.code() == absl::StatusCode::kInvalidArgument ? CommitEach(group) : status;
}

// Stops at the first that cannot be stored now; what is stored already is skipped by its high-water
// mark when the group is tried again.
absl::Status Writer::CommitEach(Group& group) {
  for (Item& item : group) RETURN_IF_ERROR(Divide(item.commit));
  return absl::OkStatus();
}

// Commits event after event, in order, so that only those to blame are rejected. The commit is left
// with the division that was stored.
absl::Status Writer::Divide(NodeCommit& commit) {
  absl::Status status = Append({&commit, 1});
  if (status.code() != absl::StatusCode::kInvalidArgument) return status;
  std::vector<EventRow> good;
  auto rejected = commit.rejected.begin();
  std::vector<RejectedRow> all_rejected;
  const auto store = [this](NodeCommit& part) { return Append({&part, 1}); };
  for (const EventRow& row : commit.events) {
    NodeCommit part = Part(commit, row.sequence);
    for (; rejected != commit.rejected.end() && rejected->sequence < row.sequence; ++rejected) {
      part.rejected.push_back(*rejected);
    }
    all_rejected.insert(all_rejected.end(), part.rejected.begin(), part.rejected.end());
    part.events.push_back(row);
    status = store(part);
    if (status.code() == absl::StatusCode::kInvalidArgument) {
      part.events.clear();
      part.rejected.push_back(Reject(row, status));
      all_rejected.push_back(part.rejected.back());
      status = store(part);
    } else if (status.ok()) {
      good.push_back(row);
    }
    RETURN_IF_ERROR(status);
  }
  NodeCommit rest = Part(commit, commit.high_water);
  rest.rejected.assign(rejected, commit.rejected.end());
  all_rejected.insert(all_rejected.end(), rejected, commit.rejected.end());
  RETURN_IF_ERROR(store(rest));
  commit.events = std::move(good);
  commit.rejected = std::move(all_rejected);
  return absl::OkStatus();
}

absl::Status Writer::Append(std::span<const NodeCommit> commits) {
  const int64_t start_ns = clock_.BootNs();
  const absl::StatusOr<uint64_t> fresh = appender_.Append(commits);
  metrics_.Commit(static_cast<double>(clock_.BootNs() - start_ns) / 1e9, fresh.ok());
  RETURN_IF_ERROR(fresh.status());
  uint64_t events = 0;
  for (const NodeCommit& commit : commits) events += commit.events.size();
  metrics_.Events("stored", *fresh);
  metrics_.Events("duplicate", events - std::min(events, *fresh));
  return absl::OkStatus();
}

Writer::Outcome Writer::Count(const NodeCommit& commit) {
  auto& [epoch, mark] = marks_[commit.node];
  if (epoch != commit.epoch) {
    epoch = commit.epoch;
    mark = 0;
  }
  const auto fresh = [&mark = mark](const auto& rows) {
    return static_cast<uint64_t>(std::count_if(
        rows.begin(), rows.end(), [mark](const auto& row) { return row.sequence > mark; }));
  };
  const Outcome outcome{.previous = mark,
                        .high_water = commit.high_water,
                        .events = fresh(commit.events),
                        .rejected = fresh(commit.rejected)};
  mark = std::max(mark, commit.high_water);
  return outcome;
}

void Writer::Done(Group& group) {
  const int64_t now_ns = clock_.BootNs();
  for (const Item& item : group) {
    metrics_.Passed(IngestMetrics::Stage::kQueue, group_ns_ - item.queued_ns);
    metrics_.Passed(IngestMetrics::Stage::kStore, now_ns - group_ns_);
    const Outcome outcome = Count(item.commit);
    metrics_.Events("rejected", outcome.rejected);
    item.stored(outcome);
  }
  signal_.Notify();
}

}  // namespace huatuo
