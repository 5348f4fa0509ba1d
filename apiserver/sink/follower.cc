#include "apiserver/sink/follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"
#include "common/thread_name.h"

namespace huatuo {
namespace {

constexpr std::string_view kKind = "sink";

prometheus::Family<prometheus::Counter>& Counters(prometheus::Registry& registry, const char* name,
                                                  const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

absl::StatusOr<uint64_t> FirstPosition(const SinkFollower::Source& source, std::string_view sink) {
  ASSIGN_OR_RETURN(const std::optional<std::string> stored, source.facts.Fact(kKind, sink));
  if (!stored) return source.events.Newest();
  uint64_t position = 0;
  const auto [end, error] =
      std::from_chars(stored->data(), stored->data() + stored->size(), position);
  if (error == std::errc() && end == stored->data() + stored->size()) return position;
  return Internal(fmt::format("position of sink {}: \"{}\": not a number", sink, *stored));
}

}  // namespace

SinkMetrics::SinkMetrics(prometheus::Registry& registry)
    : delivered_(Counters(registry, "huatuo_apiserver_sink_delivered_events_total",
                          "Events that a sink has taken, those that came again included.")),
      lost_(Counters(registry, "huatuo_apiserver_sink_lost_events_total",
                     "Events that a sink will never get, by cause.")),
      failures_(Counters(registry, "huatuo_apiserver_sink_failures_total",
                         "Deliveries that failed and are tried again.")),
      behind_(prometheus::BuildGauge()
                  .Name("huatuo_apiserver_sink_behind_events")
                  .Help("Stored events that a sink has not taken yet.")
                  .Register(registry)) {}

void SinkMetrics::Delivered(std::string_view sink, uint64_t events) {
  delivered_.Add({{"sink", std::string(sink)}}).Increment(static_cast<double>(events));
}

void SinkMetrics::Lost(std::string_view sink, const char* cause, uint64_t events) {
  lost_.Add({{"sink", std::string(sink)}, {"cause", cause}}).Increment(static_cast<double>(events));
}

void SinkMetrics::Failed(std::string_view sink) {
  failures_.Add({{"sink", std::string(sink)}}).Increment();
}

void SinkMetrics::Behind(std::string_view sink, uint64_t positions) {
  behind_.Add({{"sink", std::string(sink)}}).Set(static_cast<double>(positions));
}

absl::StatusOr<std::unique_ptr<SinkFollower>> SinkFollower::Start(const Source& source,
                                                                  std::unique_ptr<Sink> sink,
                                                                  const FollowerOptions& options) {
  ASSIGN_OR_RETURN(const uint64_t position, FirstPosition(source, sink->name()));
  // From now on it is no new sink: what is committed while it is away is for it, too.
  RETURN_IF_ERROR(source.facts.Put(kKind, sink->name(), std::to_string(position)));
  // Each loss that there may be is told from the start, as 0.
  for (const char* cause : {"retention", "too_large"}) source.metrics.Lost(sink->name(), cause, 0);
  return std::unique_ptr<SinkFollower>(
      new SinkFollower(source, std::move(sink), options, position));
}

SinkFollower::SinkFollower(const Source& source, std::unique_ptr<Sink> sink,
                           const FollowerOptions& options, uint64_t position)
    : source_(source), sink_(std::move(sink)), options_(options), position_(position) {
  subscription_ = source_.commits.Subscribe([this] {
    {
      const std::lock_guard lock(mutex_);
      committed_ = true;
    }
    changed_.notify_all();
  });
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

SinkFollower::~SinkFollower() { subscription_.Reset(); }

void SinkFollower::Run(const std::stop_token& stop) {
  NameThread("sink");
  std::chrono::milliseconds pause = options_.first_pause;
  bool failing = false;
  while (!stop.stop_requested()) {
    const absl::StatusOr<bool> more = Step();
    if (more.ok()) {
      if (std::exchange(failing, false))
        LogInfo(fmt::format("sink {}: works again", sink_->name()));
      pause = options_.first_pause;
      if (!*more) Pause(stop, options_.look_at_least, true);
      continue;
    }
    source_.metrics.Failed(sink_->name());
    if (!std::exchange(failing, true)) {
      LogWarning(fmt::format("sink {}: {}", sink_->name(), Message(more.status())));
    }
    Pause(stop, pause, false);
    pause = std::min(pause * 2, options_.longest_pause);
  }
}

// Waits so long, or until something is committed.
void SinkFollower::Pause(const std::stop_token& stop, std::chrono::milliseconds at_most,
                         bool for_commits) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, stop, at_most, [&] { return for_commits && committed_; });
  committed_ = false;
}

// When the turn comes to us, we go on where another has stopped.
absl::StatusOr<bool> SinkFollower::Ours() {
  if (!source_.turn) return true;
  const bool before = std::exchange(ours_, source_.turn());
  if (ours_ && !before) {
    const absl::StatusOr<uint64_t> position = FirstPosition(source_, sink_->name());
    if (!position.ok()) ours_ = false;
    RETURN_IF_ERROR(position.status());
    position_ = *position;
  }
  return ours_;
}

// Brings the next batch; false when there was none.
absl::StatusOr<bool> SinkFollower::Step() {
  ASSIGN_OR_RETURN(const bool ours, Ours());
  if (!ours) return false;
  ASSIGN_OR_RETURN(const std::vector<StoredEvent> events,
                   source_.events.Query({}, Order::kOldestFirst, position_, options_.batch_events));
  if (events.empty()) {
    source_.metrics.Behind(sink_->name(), 0);
    return false;
  }
  RETURN_IF_ERROR(Deliver(events));
  ASSIGN_OR_RETURN(const uint64_t newest, source_.events.Newest());
  source_.metrics.Behind(sink_->name(), newest - std::min(newest, position_));
  return true;
}

// Positions have no holes but those that retention makes.
absl::Status SinkFollower::Deliver(const std::vector<StoredEvent>& events) {
  ASSIGN_OR_RETURN(const uint64_t too_large, sink_->Deliver(events));
  const uint64_t last = events.back().position;
  RETURN_IF_ERROR(source_.facts.Put(kKind, sink_->name(), std::to_string(last)));
  source_.metrics.Delivered(sink_->name(), events.size() - too_large);
  source_.metrics.Lost(sink_->name(), "too_large", too_large);
  source_.metrics.Lost(sink_->name(), "retention", last - position_ - events.size());
  position_ = last;
  return absl::OkStatus();
}

}  // namespace huatuo
