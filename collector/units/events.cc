// How often the events of all units happened; the units need not do anything for it.
#include <array>
#include <set>

#include "collector/context.h"
#include "collector/event_counts.h"
#include "collector/instance.h"
#include "collector/self_report.h"
#include "collector/unit.h"

namespace huatuo {
namespace {

enum Metric : size_t { kNode, kContainer, kFolded, kUncounted, kNamed };

// Units whose events have a name of their own among the metrics. The metrics are kNamed + 2 * i for
// the node and the next for its containers.
constexpr std::array<std::string_view, 3> kNames = {"oom", "hungtask", "softlockup"};

constexpr std::string_view kUnitLabel[] = {"unit"};
constexpr auto kCounter = v1::MetricType::COUNTER;

constexpr MetricType kMetrics[] = {
    {"huatuo_node_events_total",
     "Events that happened, by unit: those that were delivered, folded into another one, refused "
     "by "
     "a rate limit, or without room in the ring.",
     kCounter, kUnitLabel},
    {"huatuo_container_events_total",
     "Events of the container, by unit: delivered or folded into another one. Whose the refused "
     "ones "
     "were is not known.",
     kCounter, kUnitLabel, true},
    {"huatuo_node_folded_events_total",
     "Of the events, those that became part of another one: delivered + folded + refused + without "
     "room is what happened.",
     kCounter, kUnitLabel},
    {"huatuo_collector_uncounted_container_events_total",
     "Events of containers that found no room in the table of containers.", kCounter},
    {"huatuo_node_oom_kills_total", "Processes that the kernel killed for want of memory.",
     kCounter},
    {"huatuo_container_oom_kills_total",
     "Processes of the container killed for want of memory.",
     kCounter,
     {},
     true},
    {"huatuo_node_hungtasks_total", "Tasks that hung in D state.", kCounter},
    {"huatuo_container_hungtasks_total",
     "Tasks of the container that hung in D state.",
     kCounter,
     {},
     true},
    {"huatuo_node_softlockups_total", "CPUs that did not schedule though somebody waited.",
     kCounter},
    {"huatuo_container_softlockups_total",
     "CPUs that the container kept from scheduling.",
     kCounter,
     {},
     true},
};
static_assert(std::size(kMetrics) == kNamed + 2 * kNames.size());

int NameIndex(std::string_view unit) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == unit) return static_cast<int>(i);
  }
  return -1;
}

class Events : public Instance {
 public:
  explicit Events(const Resources& resources)
      : counts_(*resources.event_counts), context_(resources.context), self_(resources.self) {}

  absl::Status SetParameter(size_t, uint64_t) override { return absl::OkStatus(); }

  void Collect(MetricWriter& writer) override {
    for (uint16_t unit = 0; unit < counts_.units().size(); ++unit) {
      if (!counts_.units()[unit]->events.empty()) WriteNode(writer, unit);
    }
    writer.Set(kUncounted, {}, nullptr, static_cast<double>(counts_.uncounted()));
    ForgetContainers();
    counts_.EachContainer([&](uint16_t unit, const v1::Container& container, uint64_t events) {
      Write(writer, kContainer, counts_.units()[unit]->name, &container, events);
    });
  }

 private:
  void WriteNode(MetricWriter& writer, uint16_t unit) {
    const std::string_view name = counts_.units()[unit]->name;
    const EventCounts::OfNode node = counts_.Node(unit);
    uint64_t lost = 0;
    for (const v1::UnitStatus& status : self_.status.units()) {
      if (status.unit() == name && status.instance() == "always") {
        lost = status.refused() + status.ring_full();
      }
    }
    Write(writer, kNode, name, nullptr, node.events + lost);
    const std::string_view label[] = {name};
    writer.Set(kFolded, label, nullptr, static_cast<double>(node.folded));
  }

  static void Write(MetricWriter& writer, Metric metric, std::string_view unit,
                    const v1::Container* container, uint64_t events) {
    const auto value = static_cast<double>(events);
    const std::string_view label[] = {unit};
    writer.Set(metric, label, container, value);
    const int name = NameIndex(unit);
    if (name < 0) return;
    writer.Set(kNamed + 2 * static_cast<size_t>(name) + (container != nullptr ? 1 : 0), {},
               container, value);
  }

  void ForgetContainers() {
    std::set<std::string> live;
    for (const LiveContainer& container : context_.LiveContainers()) {
      live.insert(container.container.id());
    }
    counts_.Forget(live, std::chrono::steady_clock::now());
  }

  EventCounts& counts_;
  Context& context_;
  const SelfReport& self_;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest&, const Resources& resources) {
  return std::make_unique<Events>(resources);
}

constexpr Mechanism kMechanisms[] = {{"pipeline", "", &Open}};

constexpr MetricSource kSources[] = {
    {"", "the events of the other units"},
};

}  // namespace

extern constexpr Unit kEvents = {
    .name = "events",
    .help = "How often the events of the other units happened, on the node and in its containers.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
