#include <catch2/catch.hpp>

#include "collector/event_counts.h"
#include "collector/kernel/sched_probe.h"
#include "collector/self_report.h"
#include "test/collector/fake_context.h"
#include "test/collector/units/metric_lines.h"

namespace huatuo {

extern const Unit kCpu, kDropwatch, kEvents, kOom;

namespace {

constexpr const Unit* kUnits[] = {&kCpu, &kDropwatch, &kOom};
using Time = EventCounts::Time;

class NoEvents : public EventSink {
  void Emit(const OpenRequest&, size_t, std::shared_ptr<const void>) override {}
  void Lost(const OpenRequest&, std::string_view, uint64_t) override {}
};

struct Bed {
  std::string Collect() {
    MetricLines lines(kEvents);
    instance->Collect(lines);
    return lines.With("");
  }

  Root root;
  ManualClock clock;
  FakeContext context;
  SchedProbeOwner sched;
  NoEvents sink;
  SelfReport self;
  EventCounts counts{kUnits};
  Resources resources{.root = root,
                      .clock = clock,
                      .context = context,
                      .sched = sched,
                      .sink = sink,
                      .self = self,
                      .event_counts = &counts};
  std::unique_ptr<Instance> instance = *kEvents.mechanisms[0].open({}, resources);
};

v1::Container Named(const std::string& id) {
  v1::Container container;
  container.set_id(id);
  return container;
}

TEST_CASE("events: of node and containers, what was refused included") {
  Bed bed;
  const Time now = std::chrono::steady_clock::now();
  const v1::Container container = Named("c1");
  bed.counts.Add(2, &container, now);
  bed.counts.Add(2, &container, now);
  bed.counts.AddFolded(2);
  bed.counts.Add(1, nullptr, now);
  v1::UnitStatus& status = *bed.self.status.add_units();
  status.set_unit("dropwatch");
  status.set_instance("always");
  status.set_refused(3);
  status.set_ring_full(4);
  // A task sees the same drops.
  *bed.self.status.add_units() = status;
  bed.self.status.mutable_units(1)->set_instance("task:t");
  CHECK(bed.Collect() ==
        "huatuo_collector_uncounted_container_events_total 0\n"
        "huatuo_container_events_total oom [c1] 2\n"
        "huatuo_container_oom_kills_total [c1] 2\n"
        "huatuo_node_events_total dropwatch 8\n"
        "huatuo_node_events_total oom 2\n"
        "huatuo_node_folded_events_total dropwatch 0\n"
        "huatuo_node_folded_events_total oom 1\n"
        "huatuo_node_oom_kills_total 2\n");
}

TEST_CASE("events: a container's count outlives it for a while; the table has an end") {
  Bed bed;
  const Time now = std::chrono::steady_clock::now();
  const Time old = now - EventCounts::kKeep;
  const v1::Container live = Named("live");
  const v1::Container dead = Named("dead");
  const v1::Container gone = Named("gone");
  bed.context.live.emplace_back().container = live;
  bed.counts.Add(1, &live, old);
  bed.counts.Add(1, &dead, now);
  bed.counts.Add(1, &gone, old);
  MetricLines lines(kEvents);
  bed.instance->Collect(lines);
  CHECK(lines.With("container_events_total dropwatch") ==
        "huatuo_container_events_total dropwatch [dead] 1\n"
        "huatuo_container_events_total dropwatch [live] 1\n");
  for (size_t i = 0; i < EventCounts::kMaxPairs; ++i) {
    const v1::Container one = Named(std::to_string(i));
    bed.counts.Add(1, &one, now);
  }
  CHECK(bed.counts.uncounted() == 2);
  CHECK(bed.counts.Node(1).events == 3 + EventCounts::kMaxPairs);
}

}  // namespace
}  // namespace huatuo
