// A unit: one kind of observation, declared as a constant in collector/units/<unit>.cc.
//
// Everything else, from the wire to the console, is derived from these tables. Adding a unit
// touches no other part (docs/adding-a-unit.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "bpf/event.h"
#include "collector/field.h"

namespace huatuo {

class Completion;
class Instance;
struct OpenRequest;
struct Resources;

// Who an event is about: the cgroup of a subject, read from the record.
struct SubjectSource {
  std::string_view role;  // empty: the harmed one
  cgroup_ref (*of)(const void* record);
};

struct EventType {
  std::string_view name;  // what readers see as tracer_name
  std::string_view help;
  std::span<const Field> fields;
  // Of a C struct that begins with event_header; 0: a record made in user space.
  size_t record_bytes = 0;
  // Empty: the cgroup of the header is the harmed one.
  std::span<const SubjectSource> subjects = {};
  // Fills the Late fields; runs on a worker with a deadline. Null: there are none.
  void (*complete)(const void* record, Completion& completion) = nullptr;
  std::chrono::milliseconds deadline{50};
  // Records within `fold_window` of a first one for which `fold` returns true have been merged into
  // it. Null: nothing folds.
  std::chrono::milliseconds fold_window{0};
  bool (*fold)(void* first, const void* next) = nullptr;
  // Names of fields. Events of the instance `always` in which these and the containers are the same
  // become one with a count when they come in quick succession (decode/repeats.h). Empty: each goes
  // by itself. Not for a type with `complete`.
  std::span<const std::string_view> same = {};
};

struct MetricType {
  std::string_view name;  // whole: huatuo_node_runqueue_latency_seconds
  std::string_view help;
  v1::MetricType::Type type = v1::MetricType::GAUGE;
  std::span<const std::string_view> labels = {};
  bool container = false;
  double first_bound = 0;  // of a HISTOGRAM: upper bounds first_bound * 2^i, i < buckets
  uint32_t buckets = 0;
  bool on_request = false;  // its series are sent only where the settings include them
};

// Where the families come from whose names begin with `prefix`; of several the first one. Each
// family has one (catalog_test).
struct MetricSource {
  std::string_view prefix;  // empty: all others
  std::string_view from;    // file or hook, as documentation shows it: "/proc/stat"
  // What follows the prefix are the kernel's own names, unchanged: one pattern stands for all.
  bool kernel_names = false;
};

// Null when there is none.
constexpr const MetricSource* SourceOf(std::span<const MetricSource> sources,
                                       std::string_view metric) {
  for (const MetricSource& source : sources) {
    if (metric.starts_with(source.prefix)) return &source;
  }
  return nullptr;
}

// What the numbers of a profile's samples are, as in pprof: {"cpu", "nanoseconds"}.
struct ProfileValue {
  std::string_view type;
  std::string_view unit;
};

struct ProfileType {
  std::string_view name;
  std::string_view help;
  std::span<const ProfileValue> values;
};

// A tunable. For units with a BPF object of their own, `name` is also that of a variable in .data.
struct Parameter {
  std::string_view name;
  std::string_view help;
  std::string_view unit;
  uint64_t default_value = 0;
  uint64_t minimum = 0;
  uint64_t maximum = 0;
};

// What BPF programs keep to for each cgroup and CPU, as most units have it.
inline constexpr Parameter kLimitPerSecond = {
    .name = "limit_per_second",
    .help = "Events a second of one cgroup and CPU; more are counted as refused.",
    .unit = "events/s",
    .default_value = 10,
    .minimum = 0,
    .maximum = 1'000'000,
};

// One way to observe; a unit lists its ways, the best first.
struct Mechanism {
  std::string_view name;
  std::string_view lacks;  // what this one cannot tell; empty: nothing
  absl::StatusOr<std::unique_ptr<Instance>> (*open)(const OpenRequest&, const Resources&);
  std::span<const std::string_view> programs = {};  // of the BPF object, for this mechanism
};

struct Unit {
  std::string_view name;
  std::string_view help;
  std::span<const EventType> events = {};
  std::span<const MetricType> metrics = {};
  std::span<const MetricSource> sources = {};
  std::span<const Parameter> parameters = {};
  std::span<const Mechanism> mechanisms = {};
  // The governor gives up 1 first, then 2, ...; 0: never.
  int shed_order = 0;
  // Of `mechanisms`, the one that goes on while the governor has given the unit up; empty: none.
  std::string_view shed_mechanism = {};
  std::span<const ProfileType> profiles = {};
  // Can be opened as `task:<id>`; `filter` names the language of InstanceFilter::text, if any.
  bool task = false;
  std::string_view filter = {};
};

}  // namespace huatuo
