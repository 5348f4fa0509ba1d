// A unit that is open: what it can do, and what it needs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "bpf/event.h"
#include "collector/root.h"
#include "collector/unit.h"
#include "common/clock.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class BpfObject;
class EventCounts;
class PacketDrops;
class SchedProbeOwner;
class TickProbeOwner;
class UserSymbols;
struct SelfReport;

// Restricts an instance; of the instance `always` only by the text.
struct InstanceFilter {
  std::string container_id;  // empty: any
  uint32_t pid = 0;          // thread-group id; 0: any
  std::string text;          // in the language of Unit::filter; empty: everything
};

struct OpenRequest {
  const Unit* unit = nullptr;
  const Mechanism* mechanism = nullptr;
  uint16_t unit_id = 0;      // index in the catalog
  uint32_t instance_id = 0;  // 0: always
  std::string task_id;       // empty: always
  InstanceFilter filter;
  std::span<const uint64_t> parameters;  // in the order of Unit::parameters
};

// Takes records that user space made.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // `record` is of the C++ type that the event's table and its `complete` read. On the event thread
  // only.
  virtual void Emit(const OpenRequest& from, size_t event, std::shared_ptr<const void> record) = 0;
  // So many observations are gone, by `cause`. Thread-safe.
  virtual void Lost(const OpenRequest& from, std::string_view cause, uint64_t count) = 0;
};

// Takes profiles for delivery. Thread-safe; never blocks on the network.
class ProfileSink {
 public:
  virtual ~ProfileSink() = default;
  // The sink sets what it knows better: profile_id, unit and task_id of `from`.
  virtual void Take(const OpenRequest& from, v1::Profile profile) = 0;
};

// Takes the metrics of one unit in one round. A series that is not set in a round has ended.
class MetricWriter {
 public:
  virtual ~MetricWriter() = default;
  // False when nothing of the metric is sent: it need not be read.
  virtual bool Wants(size_t) const { return true; }
  virtual void Set(size_t metric, std::span<const std::string_view> labels,
                   const v1::Container* container, double value) = 0;
  // `cumulative` has MetricType::buckets + 1 numbers.
  virtual void SetHistogram(size_t metric, std::span<const std::string_view> labels,
                            const v1::Container* container, std::span<const uint64_t> cumulative,
                            double sum, int64_t start_time_ns) = 0;
};

// What the process lends to its instances; outlives them all.
struct Resources {
  const Root& root;
  const Clock& clock;
  Context& context;
  SchedProbeOwner& sched;
  EventSink& sink;
  const SelfReport& self;               // the newest, replaced between rounds
  int ring_fd = -1;                     // -1: no BPF here
  ProfileSink* profiles = nullptr;      // null: nobody takes profiles
  std::string no_ring = "no BPF here";  // why ring_fd is -1
  UserSymbols* user_symbols = nullptr;
  uint16_t server_port = 0;             // of the apiserver's gRPC; 0: not known
  PacketDrops* packet_drops = nullptr;  // null: nobody learns which packets were dropped
  TickProbeOwner* ticks = nullptr;      // null: no shared ticks
  EventCounts* event_counts = nullptr;  // null: nobody counts the events
};

// provoked = emitted + refused + ring_full, exactly.
struct EmitCounts {
  uint64_t emitted = 0;
  uint64_t refused = 0;
  uint64_t ring_full = 0;
  uint64_t lost() const { return refused + ring_full; }
  EmitCounts& operator+=(const EmitCounts& other) {
    emitted += other.emitted;
    refused += other.refused;
    ring_full += other.ring_full;
    return *this;
  }
};

struct ProgramRef {
  std::string name;
  int fd = -1;
};

// Not thread-safe: the Roster calls one function at a time. Destroying an instance first hands over
// what it still has.
class Instance {
 public:
  virtual ~Instance() = default;

  // `index` into Unit::parameters; the value is in range.
  virtual absl::Status SetParameter(size_t index, uint64_t value) = 0;
  // `text` in the language of Unit::filter, in place of that of the request. After an error the
  // old one goes on.
  virtual absl::Status SetFilter(std::string_view) {
    return absl::FailedPreconditionError("this mechanism has no filter");
  }
  virtual EmitCounts counts() const { return {}; }

  // Observes nothing more; counts() is final from then on. Called once, before the instance is
  // destroyed, so that its account is exact.
  virtual void Stop() {}

  // Writes the unit's metrics.
  virtual void Collect(MetricWriter&) {}

  // The set of containers has changed.
  virtual void OnContainers() {}

  // A file descriptor to be polled for reading, then Ready is called; -1: none.
  virtual int fd() const { return -1; }
  virtual void Ready() {}

  // The programs that this instance alone runs, for the cost report.
  virtual void AddPrograms(std::vector<ProgramRef>&) const {}
  virtual uint64_t MapBytes() const { return 0; }
};

// The answer of `complete`: thread-safe, because the deadline may close it while the worker is
// still at it.
class Completion {
 public:
  virtual ~Completion() = default;
  // Sets the Late field `name`; ignored after the deadline.
  virtual void Set(std::string_view name, v1::Value value) = 0;
  // True when the deadline has passed: stop.
  virtual bool Expired() const = 0;
  virtual std::chrono::steady_clock::time_point deadline() const = 0;
  virtual const Root& root() const = 0;
  virtual Context& context() = 0;
};

}  // namespace huatuo
