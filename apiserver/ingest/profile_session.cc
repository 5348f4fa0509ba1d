#include "apiserver/ingest/profile_session.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <vector>

#include "apiserver/ingest/profile_check.h"
#include "apiserver/ingest/profile_document.h"
#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr size_t kMaxCause = 256;

uint64_t First(const v1::ProfileEntry& entry) {
  return entry.has_gap() ? entry.gap().first_sequence() : entry.sequence();
}

bool Parse(std::string_view bytes, v1::ProfilesFromNode& message) {
  // The reason goes to the node; protobuf would write each one to stderr as well.
  const google::protobuf::LogSilencer silence;
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

absl::Status CheckBody(const v1::ProfileEntry& entry) {
  if (entry.has_profile()) return CheckProfile(entry.profile());
  if (!entry.has_gap()) return InvalidArgument("neither profile nor gap");
  if (entry.gap().cause().size() <= kMaxCause) return absl::OkStatus();
  return InvalidArgument(fmt::format("gap: cause: over {} bytes", kMaxCause));
}

}  // namespace

uint64_t ProfileFence::Enter(const std::string& node, std::function<void()> cancel) {
  std::function<void()> cancel_older;
  uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++last_;
    cancel_older = std::exchange(newest_[node], std::pair(number, std::move(cancel))).second;
  }
  if (cancel_older) cancel_older();
  return number;
}

void ProfileFence::Leave(const std::string& node, uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = newest_.find(node);
  if (found != newest_.end() && found->second.first == number) newest_.erase(found);
}

std::shared_ptr<ProfileSession> ProfileSession::Start(const ProfileShared& shared,
                                                      ProfileWire wire) {
  return std::shared_ptr<ProfileSession>(new ProfileSession(shared, std::move(wire)));
}

ProfileSession::ProfileSession(const ProfileShared& shared, ProfileWire wire)
    : shared_(shared), wire_(std::move(wire)) {
  shared_.metrics.streams.Increment();
}

ProfileSession::~ProfileSession() {
  shared_.metrics.streams.Decrement();
  if (number_ != 0) shared_.fence.Leave(hello_.node(), number_);
}

absl::StatusOr<Exchange::Next> ProfileSession::Receive(std::string_view bytes) {
  shared_.metrics.bytes.Increment(static_cast<double>(bytes.size()));
  v1::ProfilesFromNode message;
  absl::StatusOr<Next> next = InvalidArgument("message: cannot be parsed");
  if (Parse(bytes, message)) next = Dispatch(message);
  if (next.ok()) return next;
  // Who was fenced from outside has been counted there.
  const bool counted = absl::IsAborted(next.status()) && fenced_.exchange(true);
  if (!counted) shared_.streams.StreamRefused(RefusalCause(next.status()));
  return Annotate(next.status(), "profiles");
}

absl::StatusOr<Exchange::Next> ProfileSession::Dispatch(v1::ProfilesFromNode& message) {
  if (message.has_hello() != (number_ == 0)) {
    return InvalidArgument(number_ == 0 ? "before hello" : "hello: a second one");
  }
  if (fenced_) return Fenced(hello_.node());
  if (message.has_entry()) return OnEntry(*message.mutable_entry());
  if (!message.has_hello()) return InvalidArgument("a message that is not known");
  RETURN_IF_ERROR(Annotate(OnHello(message.hello()), "hello"));
  return Next::kRead;
}

absl::Status ProfileSession::OnHello(const v1::ProfilesHello& hello) {
  RETURN_IF_ERROR(CheckProfilesHello(hello));
  if (wire_.allow) RETURN_IF_ERROR(wire_.allow(hello.node()));
  const std::optional<NodeState> node = shared_.nodes.Find(hello.node());
  if (!node || !node->here) {
    return FailedPrecondition(fmt::format("node {}: its stream Connect is not open", hello.node()));
  }
  ASSIGN_OR_RETURN(const uint64_t high_water,
                   shared_.appender.HighWater(hello.node(), Hex(hello.epoch())));
  hello_ = hello;
  sequences_.emplace(high_water, hello.next_sequence());
  number_ = shared_.fence.Enter(hello.node(),
                                [weak = weak_from_this(), end = wire_.end, name = hello.node()] {
                                  const auto self = weak.lock();
                                  if (!self || self->fenced_.exchange(true)) return;
                                  self->shared_.streams.StreamRefused("fenced");
                                  end(Fenced(name));
                                });
  v1::ProfilesToNode reply;
  reply.mutable_welcome()->set_high_water(high_water);
  reply.mutable_welcome()->set_fencing(number_);
  wire_.send(std::move(reply));
  return absl::OkStatus();
}

absl::StatusOr<Exchange::Next> ProfileSession::OnEntry(v1::ProfileEntry& entry) {
  ProfileCommit commit;
  commit.node = hello_.node();
  commit.epoch = Hex(hello_.epoch());
  commit.uploaded_ns = shared_.clock.WallNs();
  RETURN_IF_ERROR(Annotate(Take(entry, commit), fmt::format("entry {}", entry.sequence())));
  commit.high_water = sequences_->covered();
  return Submit(std::move(commit));
}

absl::Status ProfileSession::Take(v1::ProfileEntry& entry, ProfileCommit& commit) {
  const uint64_t sequence = entry.sequence();
  const uint64_t first = First(entry);
  RETURN_IF_ERROR(sequences_->Check(first, sequence, entry.has_gap()));
  RETURN_IF_ERROR(CheckBody(entry));
  sequences_->Saw(sequence);
  const uint64_t covered = sequences_->covered();
  if (sequence <= covered) {
    shared_.metrics.Profiles("duplicate", 1);
    return absl::OkStatus();
  }
  if (first > covered + 1) AddGap({covered + 1, first - 1, "not_in_store"}, commit);
  if (entry.has_gap()) {
    const v1::Gap& gap = entry.gap();
    // What was stored before the node gave the rest up is not missing.
    AddGap({std::max(first, covered + 1), sequence, gap.cause(), gap.from_ns(), gap.to_ns()},
           commit);
  } else {
    AddProfile(sequence, *entry.mutable_profile(), commit);
  }
  sequences_->Cover(sequence);
  return absl::OkStatus();
}

void ProfileSession::AddProfile(uint64_t sequence, v1::Profile& profile,
                                ProfileCommit& commit) const {
  const std::optional<NodeState> node = shared_.nodes.Find(hello_.node());
  const bool knows = node && node->catalog;
  const absl::Status unit =
      knows ? CheckProfileUnit(*node->catalog, node->refused_units, profile) : absl::OkStatus();
  if (!unit.ok()) {
    shared_.metrics.Profiles("rejected", 1);
    commit.gaps.push_back({sequence, sequence, "rejected: " + Message(unit), profile.time_ns(),
                           profile.time_ns() + profile.duration_ns()});
    return;
  }
  NamePods(shared_.pods, profile);
  commit.profiles.push_back(MakeNewProfile({hello_.node(), sequence, commit.uploaded_ns}, profile));
  shared_.metrics.stored_bytes.Increment(static_cast<double>(commit.profiles.back().blob.size()));
}

void ProfileSession::AddGap(ProfileGap gap, ProfileCommit& commit) const {
  shared_.metrics.Profiles("gap", gap.last_sequence - gap.first_sequence + 1);
  commit.gaps.push_back(std::move(gap));
}

Exchange::Next ProfileSession::Submit(ProfileCommit commit) {
  const uint64_t high_water = commit.high_water;
  const auto stored = [weak = weak_from_this(), high_water] {
    if (const auto self = weak.lock()) self->OnStored(high_water);
  };
  if (shared_.writer.Submit(std::move(commit), stored) != Pressure::kFull) return Next::kRead;
  // Without acks the node fills its window and waits; here its bytes wait in the transport.
  shared_.writer.OnRoom([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->wire_.resume();
  });
  return Next::kPause;
}

void ProfileSession::OnStored(uint64_t high_water) {
  v1::ProfilesToNode reply;
  reply.mutable_ack()->set_sequence(high_water);
  wire_.send(std::move(reply));
}

}  // namespace huatuo
