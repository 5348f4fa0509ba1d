#include "collector/ship/profile_stream.h"

#include <fmt/format.h>

#include <utility>

#include "collector/ship/profile_session.h"
#include "common/id.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Two of the largest: one that is being written while the next one comes.
constexpr size_t kMemoryBytes = 2 * (kMaxProfileBytes + 4096);
// An entry around the largest profile: a tag and a length of four bytes.
constexpr size_t kEnvelopeBytes = 5;

}  // namespace

absl::StatusOr<std::unique_ptr<ProfileStream>> ProfileStream::Open(ProfileStreamOptions options,
                                                                   const Clock& clock, Disk& disk) {
  OutboxOptions outbox_options;
  outbox_options.spool = options.spool;
  outbox_options.max_entry_bytes = kMaxProfileBytes + kEnvelopeBytes;
  outbox_options.tells_not_observed = false;
  outbox_options.memory_bytes = kMemoryBytes;
  ASSIGN_OR_RETURN(std::unique_ptr<Outbox> outbox, Outbox::Open(outbox_options, clock, disk));
  options.courier.link.rpc = "Profiles";
  return std::unique_ptr<ProfileStream>(
      new ProfileStream(std::move(options), std::move(outbox), clock));
}

ProfileStream::ProfileStream(ProfileStreamOptions options, std::unique_ptr<Outbox> outbox,
                             const Clock& clock)
    : node_(std::move(options.node)),
      clock_(clock),
      outbox_(std::move(outbox)),
      courier_(std::move(options.courier), *outbox_, counters_,
               [this] { return std::make_unique<ProfileSession>(node_, *outbox_, counters_); }) {}

ProfileStream::~ProfileStream() { Stop(); }

void ProfileStream::Push(v1::Profile profile) {
  if (profile.profile_id().empty()) {
    profile.set_profile_id(NewUuid7(clock_.WallNs()));
  }
  const int64_t from_ns = profile.time_ns();
  const int64_t to_ns = from_ns + profile.duration_ns();
  v1::ProfileEntry entry;
  *entry.mutable_profile() = std::move(profile);
  outbox_->Push(entry.SerializeAsString(), from_ns, to_ns);
}

void ProfileStream::Start() { courier_.Start(); }

void ProfileStream::Stop() { courier_.Stop(); }

ProfileCounts ProfileStream::Count() const {
  ProfileCounts counts{.outbox = outbox_->Count(),
                       .streams = counters_.streams,
                       .refused = counters_.refused,
                       .connected = counters_.connected,
                       .losses = {}};
  google::protobuf::RepeatedPtrField<v1::Loss> losses;
  outbox_->losses().Fill(&losses);
  for (v1::Loss& loss : losses) {
    loss.set_cause("profiles:" + loss.cause());
    counts.losses.push_back(std::move(loss));
  }
  return counts;
}

}  // namespace huatuo
