#include "apiserver/ingest/exemplars.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "apiserver/store/series_labels.h"
#include "common/id.h"

namespace huatuo {
namespace {

struct Pair {
  std::string_view event;
  std::string_view field;  // what was counted
  double in_a_second = 1;  // of its unit
  std::string_view family;
  bool container = false;       // of the one that was harmed
  std::string_view label = {};  // that has the value of the event's field of the same name
  std::span<const std::string_view> fixed = {};  // as `name="value"`
};

constexpr size_t kMost = 32;

constexpr double kNs = 1e9;
constexpr double kMs = 1e3;

constexpr std::string_view kWaitForIo[] = {"resource=\"io\"", "tasks=\"some\""};

// The family of an event's duration: a histogram where the event is one of its observations, else
// the counter that the event is part of.
constexpr Pair kPairs[] = {
    {"sched_delay", "delay_ns", kNs, "huatuo_node_runqueue_latency_seconds"},
    {"sched_delay", "delay_ns", kNs, "huatuo_container_runqueue_latency_seconds", true},
    {"memory_reclaim_events", "deltatime", kNs, "huatuo_node_memory_direct_reclaim_seconds_total"},
    {"memory_reclaim_events", "deltatime", kNs,
     "huatuo_container_memory_direct_reclaim_seconds_total", true},
    {"net_rx_latency", "latency_ms", kMs, "huatuo_node_late_packets_total", false, "where"},
    {"softirq", "offtime", kNs, "huatuo_node_softirq_latency_seconds", false, "vector"},
    {"fault_delay", "delay_ns", kNs, "huatuo_node_pressure_seconds_total", false, {}, kWaitForIo},
    {"fault_delay",
     "delay_ns",
     kNs,
     "huatuo_container_pressure_seconds_total",
     true,
     {},
     kWaitForIo},
};

const v1::Value* ValueOf(const v1::EventType& type, const v1::Event& event,
                         std::string_view field) {
  for (int i = 0; i < std::min(type.fields_size(), event.values_size()); ++i) {
    if (type.fields(i).name() == field) return &event.values(i);
  }
  return nullptr;
}

std::optional<double> Number(const v1::Value* value) {
  if (value == nullptr) return std::nullopt;
  switch (value->kind_case()) {
    case v1::Value::kUint:
      return static_cast<double>(value->uint());
    case v1::Value::kSint:
      return static_cast<double>(value->sint());
    case v1::Value::kNumber:
      return value->number();
    default:
      return std::nullopt;
  }
}

std::string Label(std::string_view name, std::string_view value) {
  std::string text(name);
  text += "=\"";
  AppendEscaped(text, value);
  text += '"';
  return text;
}

std::string_view HarmedContainer(const v1::Event& event) {
  for (const v1::Subject& subject : event.subjects()) {
    if (subject.role().empty()) return subject.container().id();
  }
  return {};
}

std::optional<ExemplarOf> Make(const Pair& pair, const v1::EventType& type,
                               const v1::Event& event) {
  const std::optional<double> number = Number(ValueOf(type, event, pair.field));
  if (!number || !(*number >= 0)) return std::nullopt;
  ExemplarOf of;
  of.family = pair.family;
  if (pair.container) {
    const std::string_view id = HarmedContainer(event);
    if (id.empty()) return std::nullopt;
    of.labels.push_back(Label("container_id", id));
  }
  for (const std::string_view label : pair.fixed) of.labels.emplace_back(label);
  if (!pair.label.empty()) {
    const v1::Value* value = ValueOf(type, event, pair.label);
    if (value == nullptr || value->text().empty()) return std::nullopt;
    of.labels.push_back(Label(pair.label, value->text()));
  }
  of.exemplar = {UuidText(event.tracer_id()), *number / pair.in_a_second, event.time_ns()};
  return of;
}

}  // namespace

void AddExemplars(const v1::EventType& type, const v1::Event& event,
                  std::vector<ExemplarOf>& exemplars) {
  if (!event.task_id().empty() || exemplars.size() >= kMost) return;
  for (const Pair& pair : kPairs) {
    if (pair.event != type.name()) continue;
    if (std::optional<ExemplarOf> of = Make(pair, type, event)) {
      exemplars.push_back(std::move(*of));
    }
  }
}

}  // namespace huatuo
