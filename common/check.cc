// Is what came over the wire usable? Everything after these checks may trust it.
#include <fmt/format.h>

#include <cmath>
#include <set>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "common/document.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr int kMaxDepth = 8;
constexpr int kMaxFields = 256;

using Fields = google::protobuf::RepeatedPtrField<v1::Field>;
using Values = google::protobuf::RepeatedPtrField<v1::Value>;

bool Name(std::string_view name, bool metric) {
  if (name.empty() || name.size() > 128 || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    const bool lower = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    const bool more = metric && ((c >= 'A' && c <= 'Z') || c == ':');
    if (!lower && !more) return false;
  }
  return true;
}

absl::Status CheckName(std::string_view what, const std::string& name, std::set<std::string>& seen,
                       bool metric = false) {
  if (!Name(name, metric)) return InvalidArgument(fmt::format("{} \"{}\": not a name", what, name));
  if (!seen.insert(name).second) {
    return InvalidArgument(fmt::format("{} \"{}\": declared twice", what, name));
  }
  return absl::OkStatus();
}

absl::Status CheckFields(const Fields& fields, int depth) {
  if (depth > kMaxDepth) return InvalidArgument("fields nest deeper than 8");
  if (fields.size() > kMaxFields) return InvalidArgument("more than 256 fields in one record");
  std::set<std::string> seen;
  // What TracerData adds beside the fields of an event.
  if (depth == 1) seen = {"incomplete", "repeated", "last_time", "lost_before"};
  for (const v1::Field& field : fields) {
    RETURN_IF_ERROR(CheckName("field", field.name(), seen));
    if (field.type() == v1::Field::STACK) {
      RETURN_IF_ERROR(CheckName("field", FramesKey(field), seen));
    }
    if (field.type() == v1::Field::TYPE_UNSPECIFIED || !v1::Field::Type_IsValid(field.type())) {
      return InvalidArgument(fmt::format("field {}: no type", field.name()));
    }
    RETURN_IF_ERROR(Annotate(CheckFields(field.fields(), depth + 1), "field " + field.name()));
  }
  return absl::OkStatus();
}

absl::Status CheckMetric(const v1::MetricType& metric) {
  if (metric.type() == v1::MetricType::TYPE_UNSPECIFIED ||
      !v1::MetricType::Type_IsValid(metric.type())) {
    return InvalidArgument("no type");
  }
  std::set<std::string> labels;
  for (const std::string& label : metric.labels()) {
    RETURN_IF_ERROR(CheckName("label", label, labels, true));
  }
  if (metric.type() != v1::MetricType::HISTOGRAM) return absl::OkStatus();
  if (metric.buckets() == 0 || metric.buckets() > 64) {
    return InvalidArgument(fmt::format("buckets: {}: accepted are 1 to 64", metric.buckets()));
  }
  if (!(metric.first_bound() > 0) || !std::isfinite(metric.first_bound())) {
    return InvalidArgument("first_bound: must be above 0");
  }
  return absl::OkStatus();
}

absl::Status CheckParameter(const v1::Parameter& parameter) {
  if (parameter.minimum() > parameter.maximum() ||
      parameter.default_value() < parameter.minimum() ||
      parameter.default_value() > parameter.maximum()) {
    return InvalidArgument("default outside of [minimum, maximum]");
  }
  return absl::OkStatus();
}

absl::Status CheckProfile(const v1::ProfileType& profile) {
  if (profile.values().empty()) return InvalidArgument("no values");
  std::set<std::string> types;
  for (const v1::ValueType& value : profile.values()) {
    RETURN_IF_ERROR(CheckName("value", value.type(), types));
    if (!Name(value.unit(), false)) {
      return InvalidArgument(
          fmt::format("value {}: unit \"{}\": not a name", value.type(), value.unit()));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckUnit(const v1::Unit& unit, std::set<std::string>& events,
                       std::set<std::string>& metrics) {
  for (const v1::EventType& event : unit.events()) {
    RETURN_IF_ERROR(CheckName("event", event.name(), events));
    RETURN_IF_ERROR(Annotate(CheckFields(event.fields(), 1), "event " + event.name()));
  }
  for (const v1::MetricType& metric : unit.metrics()) {
    RETURN_IF_ERROR(CheckName("metric", metric.name(), metrics, true));
    RETURN_IF_ERROR(Annotate(CheckMetric(metric), "metric " + metric.name()));
  }
  std::set<std::string> parameters;
  for (const v1::Parameter& parameter : unit.parameters()) {
    RETURN_IF_ERROR(CheckName("parameter", parameter.name(), parameters));
    RETURN_IF_ERROR(Annotate(CheckParameter(parameter), "parameter " + parameter.name()));
  }
  std::set<std::string> profiles;
  for (const v1::ProfileType& profile : unit.profiles()) {
    RETURN_IF_ERROR(CheckName("profile", profile.name(), profiles));
    RETURN_IF_ERROR(Annotate(CheckProfile(profile), "profile " + profile.name()));
  }
  return absl::OkStatus();
}

bool Matches(v1::Field::Type type, v1::Value::KindCase kind) {
  switch (type) {
    case v1::Field::UINT:
    case v1::Field::ID:
      return kind == v1::Value::kUint;
    case v1::Field::SINT:
      return kind == v1::Value::kSint;
    case v1::Field::DOUBLE:
      return kind == v1::Value::kNumber;
    case v1::Field::BOOL:
      return kind == v1::Value::kFlag;
    case v1::Field::TEXT:
      return kind == v1::Value::kText;
    case v1::Field::BYTES:
      return kind == v1::Value::kRaw;
    case v1::Field::STACK:
      return kind == v1::Value::kStack;
    case v1::Field::LIST:
      return kind == v1::Value::kList;
    case v1::Field::RECORD:
      return kind == v1::Value::kRecord;
    case v1::Field::MAP:
      return kind == v1::Value::kMap;
    default:
      return false;
  }
}

absl::Status CheckRecord(const Fields& fields, const Values& values, int depth);

absl::Status CheckList(const v1::Field& field, const v1::List& list, int depth) {
  for (const v1::Value& value : list.values()) {
    if (field.fields().empty()) {
      if (value.kind_case() != v1::Value::kText) return InvalidArgument("a list of texts");
    } else if (value.kind_case() != v1::Value::kRecord) {
      return InvalidArgument("a list of records");
    } else {
      RETURN_IF_ERROR(CheckRecord(field.fields(), value.record().values(), depth + 1));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMap(const v1::Map& map) {
  if (map.names_size() != map.values_size()) return InvalidArgument("as many names as values");
  absl::flat_hash_set<std::string_view> seen;
  seen.reserve(static_cast<size_t>(map.names_size()));
  for (const std::string& name : map.names()) {
    if (!seen.insert(name).second) return InvalidArgument(fmt::format("\"{}\" twice", name));
  }
  const v1::Field texts;
  for (const v1::Value& value : map.values()) {
    if (value.kind_case() == v1::Value::kList) {
      RETURN_IF_ERROR(CheckList(texts, value.list(), 0));
    } else if (value.kind_case() >= v1::Value::kStack) {
      return InvalidArgument("a map holds plain values and lists of texts");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckValue(const v1::Field& field, const v1::Value& value, int depth) {
  if (value.kind_case() == v1::Value::KIND_NOT_SET) return absl::OkStatus();
  if (!Matches(field.type(), value.kind_case())) {
    return InvalidArgument(fmt::format("not of type {}", v1::Field::Type_Name(field.type())));
  }
  switch (value.kind_case()) {
    case v1::Value::kRecord:
      return CheckRecord(field.fields(), value.record().values(), depth + 1);
    case v1::Value::kList:
      return CheckList(field, value.list(), depth);
    case v1::Value::kMap:
      return CheckMap(value.map());
    default:
      return absl::OkStatus();
  }
}

absl::Status CheckRecord(const Fields& fields, const Values& values, int depth) {
  if (depth > kMaxDepth) return InvalidArgument("values nest deeper than 8");
  if (values.size() > fields.size()) {
    return InvalidArgument(fmt::format("{} values for {} fields", values.size(), fields.size()));
  }
  for (int i = 0; i < values.size(); ++i) {
    const absl::Status status = CheckValue(fields[i], values[i], depth);
    if (!status.ok()) return Annotate(status, "field " + fields[i].name());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckCatalog(const v1::Catalog& catalog) {
  std::set<std::string> units;
  std::set<std::string> events;
  std::set<std::string> metrics;
  for (const v1::Unit& unit : catalog.units()) {
    RETURN_IF_ERROR(CheckName("unit", unit.name(), units));
    RETURN_IF_ERROR(Annotate(CheckUnit(unit, events, metrics), "unit " + unit.name()));
  }
  return absl::OkStatus();
}

absl::Status CheckValues(const v1::EventType& type, const v1::Event& event) {
  return CheckRecord(type.fields(), event.values(), 1);
}

}  // namespace huatuo
