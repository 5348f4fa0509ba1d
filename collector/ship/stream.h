// The node's one stream for events, metrics and control: a courier with Sessions.
//
// All public functions are thread-safe; Start and Stop are called once each.
#pragma once

#include "collector/ship/courier.h"
#include "collector/ship/outbox.h"
#include "collector/ship/series.h"
#include "collector/ship/session.h"
#include "common/clock.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

struct StreamOptions : CourierOptions {
  SessionOptions session{};
};

class Stream {
 public:
  // `outbox`, `series` and `clock` must outlive the stream. The hooks are called on its thread.
  Stream(StreamOptions options, Outbox& outbox, SeriesWriter& series, const v1::Catalog& catalog,
         StreamHooks hooks, const Clock& clock = Clock::Real());
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void Start();
  // Delivers what is left, for a short while, and ends the thread.
  void Stop();

  // There is something to say that is neither an entry nor a metric: the end of a task.
  void Wake();

  ShipCounts Count() const;
  bool connected() const { return counters_.connected; }

 private:
  Outbox& outbox_;
  SeriesWriter& series_;
  SessionContext context_;
  ShipCounters counters_;
  Courier courier_;
};

}  // namespace huatuo
