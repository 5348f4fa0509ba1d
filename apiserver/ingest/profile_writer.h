// Writes profiles into their store, from one queue of all streams (commit_queue.h).
//
// Thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "apiserver/ingest/commit_queue.h"
#include "apiserver/ingest/profile_metrics.h"
#include "apiserver/store/profile_store.h"
#include "common/clock.h"

namespace huatuo {

class ProfileWriter {
 public:
  using Stored = std::function<void()>;

  ProfileWriter(ProfileAppender& appender, ProfileMetrics& metrics, const Clock& clock,
                WriterOptions options = {});

  // Never blocks and always takes the commit. `stored` is called on the writer's thread once it is
  // in the store, never when it is not.
  Pressure Submit(ProfileCommit commit, Stored stored);

  // As of CommitQueue.
  void OnRoom(std::function<void()> room) { queue_.OnRoom(std::move(room)); }
  std::optional<std::string> Stalled(int64_t boot_now_ns) const {
    return queue_.Stalled(boot_now_ns);
  }

 private:
  using Queue = CommitQueue<ProfileCommit, Stored>;
  absl::Status Store(Queue::Group& group);

  ProfileAppender& appender_;
  ProfileMetrics& metrics_;
  const Clock& clock_;
  Queue queue_;  // last: its thread uses the others
};

}  // namespace huatuo
