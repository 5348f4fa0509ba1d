#include "test/fleet/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "common/clock.h"
#include "common/id.h"

namespace huatuo {
namespace {

constexpr uint64_t kBatch = 1000;
constexpr size_t kHugeBytes = 16 << 20;
constexpr std::chrono::seconds kBackOff{1};
constexpr std::chrono::milliseconds kGrace{0};
constexpr size_t kWindow = 4000;  // as of a collector: entries that were sent and not acked

// Nodes are spread over an interval, each at a place of its own.
Steady::duration Phase(const std::string& name, Steady::duration interval) {
  if (interval.count() == 0) return {};
  return Steady::duration(static_cast<int64_t>(std::hash<std::string>{}(name) %
                                               static_cast<uint64_t>(interval.count())));
}

std::string CodeName(const absl::Status& status) {
  return status.ok() ? "OK" : absl::StatusCodeToString(status.code());
}

}  // namespace

FleetNode::FleetNode(NodePlan plan, const Load& load, Tally& tally, std::function<void()> wake)
    : plan_(std::move(plan)),
      load_(load),
      tally_(tally),
      wake_(std::move(wake)),
      epoch_(RandomId()) {}

FleetNode::~FleetNode() {
  if (link_) Close(Steady::now());
}

// ---- from the link's threads

void FleetNode::OnMessage(std::string message) {
  {
    const std::lock_guard lock(mutex_);
    incoming_.push_back(std::move(message));
  }
  wake_();
}

void FleetNode::OnWritten() {
  {
    const std::lock_guard lock(mutex_);
    free_ = true;
  }
  wake_();
}

void FleetNode::OnEnded() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake_();
}

// ---- a stream

void FleetNode::Open(Steady::time_point now) {
  incoming_.clear();
  free_ = true;
  ended_ = false;
  auto link = OpenLink({.target = plan_.target}, *this);
  if (!link.ok()) {
    connect_at_ = now + kBackOff;
    return;
  }
  link_ = std::move(*link);
  v1::FromNode message;
  v1::Hello& hello = *message.mutable_hello();
  hello.set_protocol(1);
  hello.set_node(plan_.name);
  hello.set_region("fleet");
  hello.set_catalog_sha256(load_.catalog_sha256());
  hello.set_epoch(epoch_);
  hello.set_next_sequence(waiting_.empty() ? next_sequence_ : waiting_.front().sequence);
  hello.set_version("fleet");
  hello.set_kernel_release("6.1.0");
  hello.set_hostname(plan_.name);
  hello.set_time_ns(Clock::Real().WallNs());
  Push(message.SerializeAsString());
}

void FleetNode::Close(Steady::time_point now) {
  const absl::Status status = link_->Close(kGrace);
  link_.reset();
  tally_.Ended(
      fmt::format("{}: {}", kMannerNames[static_cast<size_t>(plan_.manner)], CodeName(status)));
  if (welcomed_) --tally_.connected;
  welcomed_ = ready_ = announced_ = false;
  outgoing_.clear();
  connect_at_ = std::max(connect_at_, now + kBackOff);
}

void FleetNode::Drop(Steady::time_point connect_at) {
  if (link_) Close(Steady::now());
  connect_at_ = connect_at;
}

void FleetNode::Take(const std::string& bytes, Steady::time_point now) {
  v1::ToNode message;
  if (!message.ParseFromString(bytes)) return;
  switch (message.message_case()) {
    case v1::ToNode::kWelcome:
      return Welcomed(message.welcome());
    case v1::ToNode::kCatalogReply:
      ready_ = true;
      round_at_ = now + Phase(plan_.name, plan_.metrics_interval);
      event_at_ = now + Phase(plan_.name, plan_.event_interval);
      return Misbehave();
    case v1::ToNode::kAck:
      return Acked(message.ack().sequence(), now);
    case v1::ToNode::kSlowDown:
      ++tally_.slow_downs;
      return;
    default:
      return;
  }
}

// What the server has not stored is sent again, in the order of its sequence.
void FleetNode::Welcomed(const v1::Welcome& welcome) {
  welcomed_ = true;
  ++tally_.connected;
  ++tally_.streams;
  if (plan_.manner == Manner::kSilent) return;
  if (welcome.catalog_needed()) Push(load_.catalog());
  Acked(welcome.high_water(), Steady::now());
  if (waiting_.empty()) return;
  tally_.resent += waiting_.size();
  SendEvents(waiting_.front().sequence, waiting_.back().sequence);
}

void FleetNode::Acked(uint64_t sequence, Steady::time_point now) {
  while (!waiting_.empty() && waiting_.front().sequence <= sequence) {
    if (plan_.manner == Manner::kGood) {
      tally_.AddDelay((now - waiting_.front().sent).count());
      ++tally_.acked;
    }
    waiting_.pop_front();
  }
}

void FleetNode::Misbehave() {
  if (plan_.manner == Manner::kHuge) Push(std::string(kHugeBytes, 'x'));
  if (plan_.manner != Manner::kBackwards) return;
  SendEvents(next_sequence_ + 10, next_sequence_ + 20);
  SendEvents(next_sequence_, next_sequence_ + 10);
}

void FleetNode::SendEvents(uint64_t first, uint64_t last) {
  const int64_t now_ns = Clock::Real().WallNs();
  v1::FromNode message;
  for (uint64_t sequence = first; sequence <= last; ++sequence) {
    v1::Entry& entry = *message.mutable_entries()->add_entries();
    entry.set_sequence(sequence);
    *entry.mutable_event() = load_.EventOf(sequence);
    // The same whenever it is sent again.
    entry.mutable_event()->set_tracer_id(
        Sha256(fmt::format("{}/{}", epoch_, sequence)).substr(0, 16));
    entry.mutable_event()->set_time_ns(now_ns);
    entry.mutable_event()->clear_task_id();
    if (message.entries().entries_size() == static_cast<int>(kBatch) || sequence == last) {
      Push(message.SerializeAsString());
      message.Clear();
    }
  }
}

void FleetNode::SendDue(Steady::time_point now, const SharedRound& round) {
  if (plan_.event_interval.count() > 0 && now >= event_at_ && !quiet_ &&
      waiting_.size() < kWindow) {
    const uint64_t first = next_sequence_;
    const uint64_t count = plan_.manner == Manner::kFlood ? kBatch : plan_.events_at_once;
    for (uint64_t i = 0; i < count; ++i) waiting_.push_back({next_sequence_++, now});
    if (plan_.manner == Manner::kGood) tally_.events += count;
    SendEvents(first, first + count - 1);
    event_at_ = std::max(event_at_ + plan_.event_interval, now);
  }
  if (now < round_at_) return;
  if (!announced_) {
    for (const std::string& message : load_.announcements()) Push(message);
    announced_ = true;
  }
  for (const std::string& message : *round) Push(message);
  ++tally_.rounds;
  tally_.samples += load_.samples();
  if (now - round_at_ > plan_.metrics_interval) ++tally_.late_rounds;
  round_at_ = std::max(round_at_ + plan_.metrics_interval, now);
}

void FleetNode::Write() {
  if (outgoing_.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(free_, false)) return;
  }
  tally_.bytes += outgoing_.front().size();
  link_->Write(std::move(outgoing_.front()));
  outgoing_.pop_front();
}

Steady::time_point FleetNode::Step(Steady::time_point now, const SharedRound& round) {
  if (!link_) {
    if (now < connect_at_) return connect_at_;
    Open(now);
    if (!link_) return connect_at_;
  }
  std::deque<std::string> incoming;
  bool ended = false;
  {
    const std::lock_guard lock(mutex_);
    incoming.swap(incoming_);
    ended = ended_;
  }
  for (const std::string& bytes : incoming) {
    Take(bytes, now);
    if (plan_.manner != Manner::kDeaf || !ready_) link_->ReadNext();
  }
  if (ended) {
    Close(now);
    return connect_at_;
  }
  const bool talks = ready_ && plan_.manner != Manner::kSilent;
  // Rounds that the stream does not take are not piled up.
  if (talks && outgoing_.empty()) SendDue(now, round);
  Write();
  if (!talks) return now + std::chrono::hours(1);
  return plan_.event_interval.count() > 0 && !quiet_ ? std::min(event_at_, round_at_) : round_at_;
}

}  // namespace huatuo
