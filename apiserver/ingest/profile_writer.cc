#include "apiserver/ingest/profile_writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/status_macros.h"

namespace huatuo {
namespace {

size_t Bytes(const ProfileCommit& commit) {
  size_t bytes = 256 + commit.gaps.size() * 256;
  for (const NewProfile& profile : commit.profiles) {
    bytes += profile.blob.size() + profile.row.document.size() + 256;
  }
  return bytes;
}

}  // namespace

ProfileWriter::ProfileWriter(ProfileAppender& appender, ProfileMetrics& metrics, const Clock& clock,
                             WriterOptions options)
    : appender_(appender),
      metrics_(metrics),
      clock_(clock),
      queue_(clock, options, "profiles",
             {.store = [this](Queue::Group& group) { return Store(group); },
              .done =
                  [](Queue::Group& group) {
                    for (const Queue::Item& item : group) item.stored();
                  },
              .resized =
                  [this](size_t /*commits*/, size_t bytes) {
                    metrics_.queue_bytes.Set(static_cast<double>(bytes));
                  }}) {}

Pressure ProfileWriter::Submit(ProfileCommit commit, Stored stored) {
  const size_t bytes = Bytes(commit);
  return queue_.Submit(std::move(commit), std::move(stored), bytes);
}

absl::Status ProfileWriter::Store(Queue::Group& group) {
  std::vector<ProfileCommit> commits;
  commits.reserve(group.size());
  for (Queue::Item& item : group) commits.push_back(std::move(item.commit));
  const int64_t start_ns = clock_.BootNs();
  const absl::StatusOr<uint64_t> fresh = appender_.Append(commits);
  metrics_.commits.Observe(static_cast<double>(clock_.BootNs() - start_ns) / 1e9);
  uint64_t profiles = 0;
  for (size_t i = 0; i < group.size(); ++i) {
    profiles += commits[i].profiles.size();
    group[i].commit = std::move(commits[i]);
  }
  if (!fresh.ok()) {
    metrics_.failures.Increment();
    return fresh.status();
  }
  metrics_.Profiles("stored", *fresh);
  metrics_.Profiles("duplicate", profiles - std::min(profiles, *fresh));
  return absl::OkStatus();
}

}  // namespace huatuo
