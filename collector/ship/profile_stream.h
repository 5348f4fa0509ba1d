// The way of the profiles: an outbox with a spool of their own, and the second stream to the
// server, so that a large profile delays no event.
//
// Push and Count are thread-safe and never block on disk or network; Start and Stop are called once
// each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/ship/courier.h"
#include "collector/ship/outbox.h"
#include "common/clock.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// Of one profile, serialized: the proto's limit.
constexpr size_t kMaxProfileBytes = 4 << 20;

struct ProfileStreamOptions {
  std::string node{};
  SpoolOptions spool{};
  CourierOptions courier{};
};

struct ProfileCounts {
  OutboxCounts outbox;
  uint64_t streams = 0;  // that were welcomed
  uint64_t refused = 0;  // that ended with INVALID_ARGUMENT
  bool connected = false;
  std::vector<v1::Loss> losses;  // causes as those of events, after "profiles:"
};

class ProfileStream {
 public:
  // FailedPrecondition: the spool's folder is in use.
  static absl::StatusOr<std::unique_ptr<ProfileStream>> Open(ProfileStreamOptions options,
                                                             const Clock& clock,
                                                             Disk& disk = Disk::Real());
  ~ProfileStream();

  // A profile of more than kMaxProfileBytes is replaced by a gap record "too_large" and counted.
  // One without profile_id gets it.
  void Push(v1::Profile profile);

  void Start();
  // Delivers what is left, for a short while.
  void Stop();

  ProfileCounts Count() const;

 private:
  ProfileStream(ProfileStreamOptions options, std::unique_ptr<Outbox> outbox, const Clock& clock);

  const std::string node_;
  const Clock& clock_;
  const std::unique_ptr<Outbox> outbox_;
  CourierCounters counters_;
  Courier courier_;
};

}  // namespace huatuo
