#include "collector/ship/stream.h"

#include <utility>

#include "common/id.h"

namespace huatuo {

Stream::Stream(StreamOptions options, Outbox& outbox, SeriesWriter& series,
               const v1::Catalog& catalog, StreamHooks hooks, const Clock& clock)
    : outbox_(outbox),
      series_(series),
      context_{.options = std::move(options.session),
               .catalog = catalog,
               .catalog_sha256 = Sha256(catalog.SerializeAsString()),
               .hooks = std::move(hooks),
               .clock = &clock},
      courier_(std::move(options), outbox, counters_, [this] {
        return std::make_unique<Session>(context_, outbox_, series_, counters_);
      }) {}

Stream::~Stream() { Stop(); }

void Stream::Start() {
  series_.OnRound(courier_.Nudge());
  courier_.Start();
}

void Stream::Stop() {
  courier_.Stop();
  series_.OnRound({});
}

void Stream::Wake() { courier_.Nudge()(); }

ShipCounts Stream::Count() const {
  ShipCounts counts{.streams = counters_.streams,
                    .ended = counters_.ended,
                    .refused = counters_.refused,
                    .entries_sent = counters_.entries_sent,
                    .rounds_skipped = counters_.rounds_skipped,
                    .slow_downs = counters_.slow_downs,
                    .refused_units = counters_.refused_units,
                    .connected = counters_.connected,
                    .outbox = outbox_.Count(),
                    .series = series_.Count(),
                    .losses = {}};
  google::protobuf::RepeatedPtrField<v1::Loss> losses;
  FillLosses(outbox_, series_, counters_, &losses);
  counts.losses.assign(losses.begin(), losses.end());
  return counts;
}

}  // namespace huatuo
