#include "collector/ship/session.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr std::string_view kNoHook = "not supported by this collector";

void AddLoss(std::string_view cause, uint64_t count,
             google::protobuf::RepeatedPtrField<v1::Loss>* losses) {
  if (count > 0) {
    v1::Loss* loss = losses->Add();
    loss->set_cause(std::string(cause));
    loss->set_count(count);
  }
}

template <typename Answer, typename Request>
Answer Ask(const std::function<Answer(const Request&)>& hook, const Request& request) {
  if (hook) {
    return hook(request);
  }
  Answer answer;
  answer.set_reason(std::string(kNoHook));
  return answer;
}

}  // namespace

void FillLosses(const Outbox& outbox, const SeriesWriter& series, const ShipCounters& counters,
                google::protobuf::RepeatedPtrField<v1::Loss>* losses) {
  outbox.losses().Fill(losses);
  AddLoss("slow_down:metric_rounds", counters.rounds_skipped, losses);
  AddLoss("series_limit", series.Count().refused, losses);
}

Session::Session(const SessionContext& context, Outbox& outbox, SeriesWriter& series,
                 ShipCounters& counters)
    : context_(context), outbox_(outbox), series_(series), counters_(counters) {
  series_.NewStream();
}

// ---- what the server says

absl::Status Session::Receive(const v1::ToNode& message, Time now) {
  if (message.has_welcome() == welcomed_) {
    return InvalidArgument(welcomed_ ? "server: second welcome" : "server: no welcome first");
  }
  switch (message.message_case()) {
    case v1::ToNode::kWelcome:
      return Welcome(message.welcome(), now);
    case v1::ToNode::kCatalogReply:
      return CatalogReply(message.catalog_reply());
    case v1::ToNode::kAck:
      acked_any_ = true;
      return outbox_.Ack(message.ack().sequence());
    case v1::ToNode::kSlowDown:
      Slow(message.slow_down(), now);
      return absl::OkStatus();
    case v1::ToNode::MESSAGE_NOT_SET:
      // From a newer server: what it asks cannot be done, what it tells is not needed.
      return absl::OkStatus();
    default:
      Reply(message);
      return absl::OkStatus();
  }
}

absl::Status Session::Welcome(const v1::Welcome& welcome, Time now) {
  RETURN_IF_ERROR(outbox_.Resume(welcome.high_water()));
  welcomed_ = true;
  ++counters_.streams;
  counters_.connected = true;
  status_at_ = now;
  taken_round_ = series_.round() == 0 ? 0 : series_.round() - 1;
  if (welcome.catalog_needed()) {
    *first_.emplace_back().mutable_catalog() = context_.catalog;
  }
  return absl::OkStatus();
}

absl::Status Session::CatalogReply(const v1::CatalogReply& reply) {
  counters_.refused_units = reply.refused_size();
  for (const v1::RefusedUnit& unit : reply.refused()) {
    spdlog::warn("server refuses unit {}: {}", unit.unit(), unit.reason());
  }
  return absl::OkStatus();
}

void Session::Slow(const v1::SlowDown& slow_down, Time now) {
  rate_ = slow_down.entries_per_second();
  tokens_ = rate_;
  refilled_ = now;
  ++counters_.slow_downs;
  spdlog::info("server asks for {} entries/s (0: no limit): {}", rate_, slow_down.reason());
}

void Session::Reply(const v1::ToNode& message) {
  const StreamHooks& hooks = context_.hooks;
  if (message.has_close_instance()) {
    if (hooks.close_instance) {
      hooks.close_instance(message.close_instance());
    }
    return;
  }
  if (message.has_set_parameters()) {
    v1::ParameterReply& answer = *changes_.emplace_back().mutable_parameter_reply();
    answer = Ask(hooks.set_parameters, message.set_parameters());
    answer.set_request_id(message.set_parameters().request_id());
    change_shown_ = false;
    return;
  }
  if (message.has_configure()) {
    if (!hooks.configure) {
      return;  // no answer: the server sees that it was not taken
    }
    *changes_.emplace_back().mutable_configure_reply() = hooks.configure(message.configure());
    change_shown_ = false;
    return;
  }
  v1::InstanceReply& answer = *first_.emplace_back().mutable_instance_reply();
  answer = Ask(hooks.open_instance, message.open_instance());
  answer.set_task_id(message.open_instance().task_id());
}

// ---- what the node says

v1::FromNode Session::Hello() {
  hello_sent_ = true;
  Outbox::Position position = outbox_.Begin();
  v1::FromNode message;
  v1::Hello* hello = message.mutable_hello();
  *hello = context_.options.hello;
  hello->set_protocol(1);
  hello->set_catalog_sha256(context_.catalog_sha256);
  hello->set_epoch(position.epoch);
  hello->set_next_sequence(position.next_sequence);
  hello->set_time_ns(context_.clock->WallNs());
  return message;
}

std::optional<v1::FromNode> Session::Next(Time now) {
  if (!hello_sent_) {
    return Hello();
  }
  if (!welcomed_) {
    return std::nullopt;
  }
  if (std::optional<v1::FromNode> urgent = Urgent()) {
    return urgent;
  }
  if (!changes_.empty()) {
    return Changed(now);
  }
  // A backlog of entries must not silence metrics and status, nor the other way round.
  entries_turn_ = !entries_turn_;
  std::optional<v1::FromNode> message = entries_turn_ ? std::nullopt : Entries(now);
  message = message ? std::move(message) : Status(now);
  message = message ? std::move(message) : Metrics();
  return message || !entries_turn_ ? std::move(message) : Entries(now);
}

// Before a status, which the server reads together with the ends that came ahead of it.
std::optional<v1::FromNode> Session::Urgent() {
  v1::FromNode message;
  if (!first_.empty()) {
    message = std::move(first_.front());
    first_.pop_front();
    return message;
  }
  const std::optional<InstanceEnd> end = NextEnd();
  if (!end.has_value()) {
    return std::nullopt;
  }
  told_end_ = end->serial;
  *message.mutable_instance_reply() = end->reply;
  return message;
}

// Whoever is answered then reads what he changed.
std::optional<v1::FromNode> Session::Changed(Time now) {
  if (!std::exchange(change_shown_, true)) {
    status_at_ = now;
    return Status(now);
  }
  v1::FromNode message = std::move(changes_.front());
  changes_.pop_front();
  return message;
}

std::optional<InstanceEnd> Session::NextEnd() const {
  return context_.hooks.ended ? context_.hooks.ended(told_end_) : std::nullopt;
}

std::optional<v1::FromNode> Session::Entries(Time now) {
  ReadLimit limit = context_.options.batch;
  uint64_t flying = outbox_.InFlight();
  if (flying >= context_.options.window) {
    return std::nullopt;
  }
  limit.entries = std::min<uint64_t>(limit.entries, context_.options.window - flying);
  if (rate_ > 0) {
    Refill(now);
    limit.entries = std::min(limit.entries, static_cast<size_t>(tokens_));
  }
  v1::FromNode message;
  size_t count = limit.entries == 0 ? 0 : outbox_.Read(limit, message.mutable_entries());
  if (count == 0) {
    return std::nullopt;
  }
  tokens_ -= static_cast<double>(count);
  counters_.entries_sent += count;
  return message;
}

void Session::Refill(Time now) {
  std::chrono::duration<double> passed = now - refilled_;
  refilled_ = now;
  tokens_ = std::clamp(tokens_ + passed.count() * rate_, 0.0, static_cast<double>(rate_));
}

std::optional<v1::FromNode> Session::Metrics() {
  uint64_t round = series_.round();
  uint64_t stride = rate_ > 0 ? context_.options.slow_round : 1;
  if (metrics_.empty() && round >= taken_round_ + stride) {
    counters_.rounds_skipped += round - taken_round_ - 1;
    taken_round_ = round;
    for (v1::MetricBatch& batch : series_.Take()) {
      metrics_.push_back(std::move(batch));
    }
  }
  if (metrics_.empty()) {
    return std::nullopt;
  }
  v1::FromNode message;
  *message.mutable_metrics() = std::move(metrics_.front());
  metrics_.pop_front();
  return message;
}

std::optional<v1::FromNode> Session::Status(Time now) {
  if (now < status_at_) {
    return std::nullopt;
  }
  status_at_ = now + context_.options.status_interval;
  v1::FromNode message;
  v1::NodeStatus* status = message.mutable_status();
  if (context_.hooks.status) {
    *status = context_.hooks.status();
  }
  OutboxCounts counts = outbox_.Count();
  FillLosses(outbox_, series_, counters_, status->mutable_losses());
  status->set_spool_bytes(counts.spool.bytes);
  status->set_spool_limit_bytes(outbox_.spool_limit_bytes());
  status->set_spooled_entries(counts.spool.entries);
  status->set_time_ns(context_.clock->WallNs());
  return message;
}

Session::Time Session::WakeAt(Time now) const {
  if (!welcomed_) {
    return Time::max();
  }
  if (rate_ > 0 && tokens_ < 1) {
    std::chrono::duration<double> wait((1 - tokens_) / rate_);
    return std::min(status_at_, now + std::chrono::ceil<std::chrono::milliseconds>(wait));
  }
  return status_at_;
}

}  // namespace huatuo
