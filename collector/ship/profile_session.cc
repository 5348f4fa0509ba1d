#include "collector/ship/profile_session.h"

#include <utility>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Profiles sent and not acked: enough to hide the way to the server, few enough for its memory,
// since each may have 4 MiB.
constexpr uint64_t kWindow = 8;

}  // namespace

ProfileSession::ProfileSession(std::string node, Outbox& outbox, CourierCounters& counters)
    : node_(std::move(node)), outbox_(outbox), counters_(counters) {}

absl::Status ProfileSession::Receive(const v1::ProfilesToNode& message, Time /*now*/) {
  if (message.has_welcome() == welcomed_) {
    return InvalidArgument(welcomed_ ? "server: second welcome" : "server: no welcome first");
  }
  if (message.has_welcome()) {
    return Welcome(message.welcome());
  }
  // Anything else is from a newer server, and not needed.
  if (!message.has_ack()) {
    return absl::OkStatus();
  }
  acked_any_ = true;
  return outbox_.Ack(message.ack().sequence());
}

absl::Status ProfileSession::Welcome(const v1::Welcome& welcome) {
  RETURN_IF_ERROR(outbox_.Resume(welcome.high_water()));
  welcomed_ = true;
  ++counters_.streams;
  counters_.connected = true;
  return absl::OkStatus();
}

v1::ProfilesFromNode ProfileSession::Hello() {
  hello_sent_ = true;
  Outbox::Position position = outbox_.Begin();
  v1::ProfilesFromNode message;
  v1::ProfilesHello* hello = message.mutable_hello();
  hello->set_protocol(1);
  hello->set_node(node_);
  hello->set_epoch(position.epoch);
  hello->set_next_sequence(position.next_sequence);
  return message;
}

std::optional<v1::ProfilesFromNode> ProfileSession::Next(Time /*now*/) {
  if (!hello_sent_) {
    return Hello();
  }
  if (!welcomed_ || outbox_.InFlight() >= kWindow) {
    return std::nullopt;
  }
  v1::ProfilesFromNode message;
  auto take = [&](const Record& record, uint64_t first) {
    *message.mutable_entry() = EntryOf<v1::ProfileEntry>(record, first);
    ++counters_.entries_sent;
  };
  return outbox_.Read({.entries = 1}, take) == 0 ? std::nullopt : std::optional(std::move(message));
}

}  // namespace huatuo
