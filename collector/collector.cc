#include "collector/collector.h"

#include <fmt/format.h>

#include "collector/catalog.h"
#include "collector/options.h"
#include "collector/parameters.h"
#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// An error is the reason of the units that need it: they say it, each for itself.
absl::StatusOr<std::unique_ptr<Ring>> MakeRing(const Settings& settings, Ring::Sink sink) {
  if (!settings.replay.empty()) return FailedPrecondition("a recording is replayed");
  return Ring::Create(static_cast<uint32_t>(settings.ring_bytes), std::move(sink));
}

// What is replayed comes without the time between its events.
std::chrono::milliseconds RepeatWindow(const Settings& settings) {
  return settings.replay.empty() ? std::chrono::seconds(settings.fold_seconds)
                                 : std::chrono::seconds(0);
}

}  // namespace

absl::Status Collector::OpenOutlets(const Settings& settings, const v1::Catalog& catalog,
                                    const Root& root, Outlets& outlets) {
  const Clock& clock = Clock::Real();
  outlets.targets = MakeTargets(settings);
  ASSIGN_OR_RETURN(outlets.outbox, Outbox::Open(MakeOutboxOptions(settings, root), clock));
  const auto connected = [&outlets] { return outlets.stream->connected(); };
  ASSIGN_OR_RETURN(
      outlets.profiles,
      ProfileStream::Open(MakeProfileOptions(settings, outlets.targets, connected), clock));
  ASSIGN_OR_RETURN(outlets.rules, MetricRules::Make(AllUnits(), settings.metrics));
  if (settings.record.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(outlets.recording, RecordingWriter::Create(settings.record, catalog));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Collector>> Collector::Open(const Settings& settings) {
  const int64_t start_ns = Clock::Real().WallNs();
  auto outlets = std::make_unique<Outlets>();
  RETURN_IF_ERROR(OpenOutlets(settings, MakeCatalog(AllUnits()), Root(settings.root), *outlets));
  return std::unique_ptr<Collector>(new Collector(settings, std::move(outlets), start_ns));
}

Collector::Collector(const Settings& settings, std::unique_ptr<Outlets> outlets, int64_t start_ns)
    : settings_(settings),
      root_(settings.root),
      units_(AllUnits()),
      catalog_(MakeCatalog(units_)),
      outlets_(std::move(outlets)),
      gate_(series_, units_, std::move(*outlets_->rules), settings_.max_series_per_family),
      profiles_(*outlets_->profiles, outlets_->recording.get()),
      containers_(root_, clock_),
      symbols_(root_, clock_),
      networks_(root_, clock_, containers_),
      context_(containers_, networks_, symbols_),
      user_symbols_(root_),
      decoder_(units_, context_, clock_),
      event_counts_(units_),
      completer_(root_, context_, [this] { loop_.Wake(); }),
      pipeline_(units_, decoder_, completer_, event_counts_, RepeatWindow(settings_),
                PipelineHooks()),
      ring_(MakeRing(settings_,
                     [this](std::span<const std::byte> record) { pipeline_.OnRecord(record); })),
      resources_(MakeResources()),
      roster_(units_, resources_, ledger_),
      loop_(ring_.ok() ? ring_->get() : nullptr, containers_, roster_, pipeline_, ledger_),
      housekeeping_(HousekeepingParts(),
                    {settings_.budget_percent / 100,
                     static_cast<int64_t>(settings_.budget_hold_seconds) * 1'000'000'000,
                     settings_.budget_interval_seconds},
                    settings_.metrics_interval_seconds, settings_.ring_bytes),
      stream_(MakeStreamOptions(settings_, outlets_->targets, root_), *outlets_->outbox, series_,
              catalog_, MakeStreamHooks()) {
  outlets_->stream = &stream_;
  if (const absl::Status status = containers_.Refresh(); !status.ok()) {
    LogWarning("containers: " + Message(status));
  }
  containers_.Subscribe([this](const ContainerChange&) { loop_.ContainersChanged(); });
  ledger_.OnEnd([this] { stream_.Wake(); });
  if (!settings_.replay.empty()) return;
  for (const std::string& text : settings_.set) {
    roster_.SetParameters(*ParseAssignment(units_, text));
  }
  roster_.OpenAll({settings_.off.begin(), settings_.off.end()});
  TellStart(start_ns);
}

Pipeline::Hooks Collector::PipelineHooks() {
  Pipeline::Hooks hooks;
  hooks.ship = [this](v1::Event event) { outlets_->outbox->Push(std::move(event)); };
  hooks.lost = [this](uint16_t unit, uint32_t instance) { return roster_.LostOf(unit, instance); };
  hooks.task = [this](uint32_t instance) {
    return instance == 0 ? std::optional<std::string>("") : ledger_.TaskOf(instance);
  };
  hooks.shipped = [this](uint32_t instance) { ledger_.CountEvent(instance); };
  hooks.dropped = [this](uint32_t instance, uint64_t count) { ledger_.CountLost(instance, count); };
  if (outlets_->recording == nullptr) return hooks;
  RecordingWriter& recording = *outlets_->recording;
  hooks.tap_record = [&](std::span<const std::byte> record) { recording.Record(record); };
  hooks.tap_event = [&](const v1::Event& event) { recording.Event(event); };
  return hooks;
}

Resources Collector::MakeResources() {
  return {.root = root_,
          .clock = clock_,
          .context = context_,
          .sched = sched_,
          .sink = pipeline_,
          .self = report_,
          .ring_fd = ring_.ok() ? (*ring_)->map_fd() : -1,
          .profiles = &profiles_,
          .no_ring = Message(ring_.status()),
          .user_symbols = &user_symbols_,
          .server_port = PortOf(settings_.apiserver.front()),
          .packet_drops = &packet_drops_,
          .ticks = &ticks_,
          .event_counts = &event_counts_};
}

Housekeeping::Parts Collector::HousekeepingParts() {
  return {clock_,  roster_, ledger_, pipeline_, containers_, *outlets_->outbox, *outlets_->profiles,
          series_, gate_,   loop_,   report_,   units_};
}

StreamHooks Collector::MakeStreamHooks() {
  StreamHooks hooks;
  hooks.set_parameters = [this](const v1::SetParameters& request) {
    v1::ParameterReply reply = roster_.SetParameters(request);
    loop_.UnitsChanged();
    return reply;
  };
  if (settings_.replay.empty()) {  // else no unit is to run
    hooks.configure = [this](const v1::Configure& request) {
      v1::ConfigureReply reply = roster_.Configure(request);
      loop_.UnitsChanged();
      return reply;
    };
  }
  hooks.open_instance = [this](const v1::OpenInstance& request) {
    v1::InstanceReply reply = roster_.Open(request);
    loop_.UnitsChanged();
    return reply;
  };
  hooks.close_instance = [this](const v1::CloseInstance& request) {
    ledger_.Confirm(request.task_id());
    roster_.Close(request.task_id(), "closed by request");
    loop_.UnitsChanged();
  };
  hooks.ended = [this](uint64_t serial) -> std::optional<InstanceEnd> {
    const std::optional<TaskLedger::End> end = ledger_.Next(serial);
    if (!end.has_value()) return std::nullopt;
    return InstanceEnd{end->serial, end->reply};
  };
  hooks.status = [this] { return housekeeping_.Status(); };
  return hooks;
}

// The outbox tells the time up to its opening; the units open later than that.
void Collector::TellStart(int64_t from_ns) {
  v1::NotObserved record;
  record.set_from_ns(from_ns);
  record.set_to_ns(clock_.WallNs());
  record.set_cause("starting");
  outlets_->outbox->Push(std::move(record));
}

absl::Status Collector::ReplayRecording() {
  const RecordingReader reader{
      .record = [this](std::span<const std::byte> record) { pipeline_.OnRecord(record); },
      .event = [this](v1::Event event) { pipeline_.OnEvent(std::move(event)); },
      .profile = [this](v1::Profile profile) { outlets_->profiles->Push(std::move(profile)); }};
  ASSIGN_OR_RETURN(const uint64_t skipped, Replay(settings_.replay, catalog_, reader));
  pipeline_.Flush();
  LogInfo(fmt::format("replayed {}: {} events, {} records of unknown units", settings_.replay,
                      pipeline_.counts().events, skipped));
  return absl::OkStatus();
}

absl::Status Collector::Start() {
  if (!settings_.replay.empty()) RETURN_IF_ERROR(ReplayRecording());
  RETURN_IF_ERROR(loop_.Start());
  housekeeping_.Start([this] { return stream_.Count().losses; });
  stream_.Start();
  outlets_->profiles->Start();
  return absl::OkStatus();
}

void Collector::Stop() {
  // Their ends go with what is left to deliver.
  roster_.CloseTasks("the collector was stopped");
  loop_.Stop();
  housekeeping_.Stop();
  stream_.Stop();
  // Units that end hand over their last profiles.
  roster_.CloseAll();
  outlets_->profiles->Stop();
}

}  // namespace huatuo
