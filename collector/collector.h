// A node's collector: its stages, in the order in which they are built, which is that of an
// observation but for `ship`: what the stages before it find must have somewhere to go.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/decode/completer.h"
#include "collector/decode/pipeline.h"
#include "collector/decode/recording.h"
#include "collector/enrich/node_context.h"
#include "collector/event_loop.h"
#include "collector/housekeeping.h"
#include "collector/kernel/packet_drops.h"
#include "collector/kernel/ring.h"
#include "collector/kernel/sched_probe.h"
#include "collector/kernel/tick_probe.h"
#include "collector/profile_outlet.h"
#include "collector/series_gate.h"
#include "collector/settings.h"
#include "collector/ship/profile_stream.h"
#include "collector/ship/stream.h"
#include "collector/symbols/user_symbols.h"

namespace huatuo {

class Collector {
 public:
  // Opens the spools and the units; what a unit lacks is a state of it, not an error.
  static absl::StatusOr<std::unique_ptr<Collector>> Open(const Settings& settings);
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // Replays the recording when the settings name one, then lets everything run.
  absl::Status Start();
  // Delivers what is left, for a short while.
  void Stop();

 private:
  // What can fail to open.
  struct Outlets {
    std::shared_ptr<Targets> targets;
    std::unique_ptr<Outbox> outbox;
    std::unique_ptr<ProfileStream> profiles;
    std::unique_ptr<RecordingWriter> recording;  // null: nothing is recorded
    std::optional<MetricRules> rules;
    const Stream* stream = nullptr;  // set before anything runs
  };
  static absl::Status OpenOutlets(const Settings& settings, const v1::Catalog& catalog,
                                  const Root& root, Outlets& outlets);
  Collector(const Settings& settings, std::unique_ptr<Outlets> outlets, int64_t start_ns);

  Pipeline::Hooks PipelineHooks();
  Resources MakeResources();
  Housekeeping::Parts HousekeepingParts();
  StreamHooks MakeStreamHooks();
  absl::Status ReplayRecording();
  void TellStart(int64_t from_ns);

  const Settings settings_;
  const Clock& clock_ = Clock::Real();
  const Root root_;
  const std::span<const Unit* const> units_;
  const v1::Catalog catalog_;

  // ship
  const std::unique_ptr<Outlets> outlets_;
  SeriesWriter series_;
  SeriesGate gate_;
  ProfileOutlet profiles_;

  // enrich
  Containers containers_;
  Kallsyms symbols_;
  Networks networks_;
  NodeContext context_;
  UserSymbols user_symbols_;

  // decode
  const Decoder decoder_;
  TaskLedger ledger_;
  EventCounts event_counts_;
  Completer completer_;
  Pipeline pipeline_;

  // kernel
  const absl::StatusOr<std::unique_ptr<Ring>> ring_;
  SchedProbeOwner sched_;
  PacketDrops packet_drops_;
  TickProbeOwner ticks_;
  SelfReport report_;
  const Resources resources_;
  Roster roster_;
  EventLoop loop_;

  Housekeeping housekeeping_;
  Stream stream_;
};

}  // namespace huatuo
