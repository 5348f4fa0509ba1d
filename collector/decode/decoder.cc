#include "collector/decode/decoder.h"

#include <fmt/format.h>

#include "common/status.h"

namespace huatuo {
namespace {

v1::Value Comm(const event_header& header, Context&) { return ValueOf(header.comm); }
v1::Value Pid(const event_header& header, Context&) { return UintValue(header.tgid); }
v1::Value Tid(const event_header& header, Context&) { return UintValue(header.tid); }
v1::Value Cpu(const event_header& header, Context&) { return UintValue(header.cpu); }
v1::Value CgroupId(const event_header& header, Context&) {
  const bool known = header.cgroup.id != 0 && header.cgroup.hierarchy != EVENT_NETNS;
  return known ? UintValue(header.cgroup.id) : Unknown();
}

constexpr auto kHeaderFields =
    TableOf(Derived<&Comm>("comm", "Command name of the task.", v1::Field::TEXT),
            Derived<&Pid>("pid", "Process (thread group) of the task.", v1::Field::UINT),
            Derived<&Tid>("tid", "Thread of the task.", v1::Field::UINT),
            Derived<&Cpu>("cpu", "CPU on which it was observed.", v1::Field::UINT),
            Derived<&CgroupId>("cgroup_id", "kernfs id of the task's cgroup.", v1::Field::ID));

template <typename Fn>
void EachShown(const EventType& type, Fn fn) {
  if (type.record_bytes > 0) {
    for (const Field& field : kHeaderFields) fn(field);
  }
  for (const Field& field : type.fields) {
    if (!field.name.empty()) fn(field);
  }
}

std::span<const SubjectSource> SubjectsOf(const EventType& type) {
  static constexpr SubjectSource kHeader[] = {
      {"", [](const void* r) { return static_cast<const event_header*>(r)->cgroup; }}};
  return type.subjects.empty() && type.record_bytes > 0 ? kHeader : type.subjects;
}

void Fill(const Field& field, v1::Field& out) {
  out.set_name(std::string(field.name));
  out.set_help(std::string(field.help));
  out.set_type(field.type);
  for (const Field& nested : field.fields) Fill(nested, *out.add_fields());
}

void Fill(const MetricType& metric, v1::MetricType& out) {
  out.set_name(std::string(metric.name));
  out.set_help(std::string(metric.help));
  out.set_type(metric.type);
  for (const std::string_view label : metric.labels) out.add_labels(std::string(label));
  out.set_container(metric.container);
  out.set_first_bound(metric.first_bound);
  out.set_buckets(metric.buckets);
}

void Fill(const Parameter& parameter, v1::Parameter& out) {
  out.set_name(std::string(parameter.name));
  out.set_help(std::string(parameter.help));
  out.set_unit(std::string(parameter.unit));
  out.set_default_value(parameter.default_value);
  out.set_minimum(parameter.minimum);
  out.set_maximum(parameter.maximum);
}

void Fill(const ProfileType& profile, v1::ProfileType& out) {
  out.set_name(std::string(profile.name));
  out.set_help(std::string(profile.help));
  for (const ProfileValue& value : profile.values) {
    v1::ValueType& type = *out.add_values();
    type.set_type(std::string(value.type));
    type.set_unit(std::string(value.unit));
  }
}

}  // namespace

std::span<const Field> HeaderFields() { return kHeaderFields; }

v1::Catalog MakeCatalog(std::span<const Unit* const> units) {
  v1::Catalog catalog;
  for (const Unit* unit : units) {
    v1::Unit& out = *catalog.add_units();
    out.set_name(std::string(unit->name));
    out.set_help(std::string(unit->help));
    for (const EventType& type : unit->events) {
      v1::EventType& event = *out.add_events();
      event.set_name(std::string(type.name));
      event.set_help(std::string(type.help));
      EachShown(type, [&](const Field& field) { Fill(field, *event.add_fields()); });
    }
    for (const MetricType& metric : unit->metrics) Fill(metric, *out.add_metrics());
    for (const Parameter& parameter : unit->parameters) Fill(parameter, *out.add_parameters());
    for (const ProfileType& profile : unit->profiles) Fill(profile, *out.add_profiles());
    out.set_task(unit->task);
    out.set_filter(std::string(unit->filter));
  }
  return catalog;
}

int ValueIndex(const EventType& type, std::string_view name) {
  int index = 0;
  int found = -1;
  EachShown(type, [&](const Field& field) {
    if (field.name == name) found = index;
    ++index;
  });
  return found;
}

int LateIndex(const EventType& type, std::string_view name) {
  int index = 0;
  int found = -1;
  EachShown(type, [&](const Field& field) {
    if (field.read == nullptr && field.name == name) found = index;
    ++index;
  });
  return found;
}

std::vector<std::string_view> LateFields(const EventType& type) {
  std::vector<std::string_view> names;
  EachShown(type, [&](const Field& field) {
    if (field.read == nullptr) names.push_back(field.name);
  });
  return names;
}

absl::StatusOr<const EventType*> Decoder::Identify(std::span<const std::byte> bytes) const {
  if (bytes.size() < sizeof(event_header)) {
    return InvalidArgument(fmt::format("record of {} bytes: shorter than a header", bytes.size()));
  }
  event_header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.unit >= units_.size() || header.record >= units_[header.unit]->events.size()) {
    return InvalidArgument(
        fmt::format("record {} of unit {}: no such type", header.record, header.unit));
  }
  const EventType& type = units_[header.unit]->events[header.record];
  if (type.record_bytes == 0 || bytes.size() < type.record_bytes) {
    return InvalidArgument(
        fmt::format("record {}: {} bytes, needs {}", type.name, bytes.size(), type.record_bytes));
  }
  return &type;
}

v1::Event Decoder::Decode(uint16_t unit_id, size_t event, const EventType& type,
                          const void* record) const {
  v1::Event out;
  out.set_unit(unit_id);
  out.set_type(static_cast<uint32_t>(event));
  if (type.record_bytes > 0) {
    const auto& header = *static_cast<const event_header*>(record);
    out.set_time_ns(clock_.WallOfBoot(static_cast<int64_t>(header.time_ns)));
  } else {
    out.set_time_ns(clock_.WallNs());
  }
  EachShown(type, [&](const Field& field) {
    v1::Value& value = *out.add_values();
    if (field.read != nullptr) value = field.read(record, context_);
  });
  AddSubjects(type, record, out);
  return out;
}

std::optional<v1::Container> Decoder::Harmed(const EventType& type, const void* record) const {
  for (const SubjectSource& source : SubjectsOf(type)) {
    if (source.role.empty()) return context_.FindContainer(source.of(record));
  }
  return std::nullopt;
}

void Decoder::AddSubjects(const EventType& type, const void* record, v1::Event& event) const {
  for (const SubjectSource& source : SubjectsOf(type)) {
    std::optional<v1::Container> container = context_.FindContainer(source.of(record));
    if (!container.has_value()) continue;
    v1::Subject& subject = *event.add_subjects();
    subject.set_role(std::string(source.role));
    *subject.mutable_container() = std::move(*container);
  }
}

}  // namespace huatuo
