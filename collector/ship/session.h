// The exchange of the rpc Connect: events, metrics and control. Not thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collector/ship/courier.h"
#include "collector/ship/exchange.h"
#include "collector/ship/outbox.h"
#include "collector/ship/series.h"
#include "common/clock.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// How the instance of a task ended; serials grow.
struct InstanceEnd {
  uint64_t serial = 0;
  v1::InstanceReply reply{};
};

// Answers of the rest of the collector to what the server asks. An empty function refuses. A slow
// answer delays the events behind it.
struct StreamHooks {
  std::function<v1::ParameterReply(const v1::SetParameters&)> set_parameters{};
  std::function<v1::ConfigureReply(const v1::Configure&)> configure{};
  std::function<v1::InstanceReply(const v1::OpenInstance&)> open_instance{};
  // Has no answer of its own: what it closes becomes an end. Of a task that has ended, it confirms
  // that the server knows.
  std::function<void(const v1::CloseInstance&)> close_instance{};
  // The first end after `serial` that the server has not confirmed. Each stream begins with 0.
  std::function<std::optional<InstanceEnd>(uint64_t serial)> ended{};
  // Spool, losses of delivery and the time are added here.
  std::function<v1::NodeStatus()> status{};
};

struct SessionOptions {
  v1::Hello hello{};       // node, region, version, kernel_release, boot_id, hostname
  uint64_t window = 4000;  // sequences sent and not acked
  ReadLimit batch{.entries = 1000, .bytes = 256 << 10};
  std::chrono::milliseconds status_interval{10'000};
  // While the server asks to slow down, one metric round of so many is sent.
  uint64_t slow_round = 4;
};

struct ShipCounters : CourierCounters {
  std::atomic<uint64_t> rounds_skipped = 0;  // metric rounds given up to slow down
  std::atomic<uint64_t> slow_downs = 0;
  std::atomic<uint64_t> refused_units = 0;  // of this node by the server, now
};

// A copy of all counters, for metrics and status.
struct ShipCounts {
  uint64_t streams = 0;
  uint64_t ended = 0;
  uint64_t refused = 0;
  uint64_t entries_sent = 0;
  uint64_t rounds_skipped = 0;
  uint64_t slow_downs = 0;
  uint64_t refused_units = 0;
  bool connected = false;
  OutboxCounts outbox;
  SeriesCounts series;
  std::vector<v1::Loss> losses;
};

// What does not change from stream to stream.
struct SessionContext {
  SessionOptions options;
  v1::Catalog catalog;
  std::string catalog_sha256;
  StreamHooks hooks;
  const Clock* clock = nullptr;
};

// Every loss of delivery, by cause, as the server sees it.
void FillLosses(const Outbox& outbox, const SeriesWriter& series, const ShipCounters& counters,
                google::protobuf::RepeatedPtrField<v1::Loss>* losses);

class Session : public MessageExchange<v1::FromNode, v1::ToNode> {
 public:
  Session(const SessionContext& context, Outbox& outbox, SeriesWriter& series,
          ShipCounters& counters);

  absl::Status Receive(const v1::ToNode& message, Time now) override;
  std::optional<v1::FromNode> Next(Time now) override;
  Time WakeAt(Time now) const override;
  bool welcomed() const override { return welcomed_; }
  bool acked_any() const override { return acked_any_; }
  bool Owes() const override { return NextEnd().has_value(); }

 private:
  absl::Status Welcome(const v1::Welcome& welcome, Time now);
  absl::Status CatalogReply(const v1::CatalogReply& reply);
  void Slow(const v1::SlowDown& slow_down, Time now);
  void Reply(const v1::ToNode& message);
  std::optional<InstanceEnd> NextEnd() const;
  v1::FromNode Hello();
  std::optional<v1::FromNode> Urgent();
  std::optional<v1::FromNode> Changed(Time now);
  std::optional<v1::FromNode> Entries(Time now);
  std::optional<v1::FromNode> Metrics();
  std::optional<v1::FromNode> Status(Time now);
  void Refill(Time now);

  const SessionContext& context_;
  Outbox& outbox_;
  SeriesWriter& series_;
  ShipCounters& counters_;

  bool hello_sent_ = false;
  bool welcomed_ = false;
  bool acked_any_ = false;
  bool entries_turn_ = true;
  std::deque<v1::FromNode> first_;  // goes before all else
  // Answers to changes, each behind a status that shows the change.
  std::deque<v1::FromNode> changes_;
  bool change_shown_ = false;
  std::deque<v1::MetricBatch> metrics_;
  uint64_t told_end_ = 0;  // serial of the last end that was sent
  uint64_t taken_round_ = 0;
  Time status_at_{};
  uint32_t rate_ = 0;  // entries per second, 0: no limit
  double tokens_ = 0;
  Time refilled_{};
};

}  // namespace huatuo
