#include "apiserver/query/node_json.h"

#include <boost/json/array.hpp>
#include <cmath>

#include "apiserver/config/live_config.h"
#include "common/document.h"
#include "common/id.h"
#include "common/unit_state.h"

namespace huatuo {
namespace {

namespace json = boost::json;

// Null for what JSON cannot say.
json::value Finite(double value) { return std::isfinite(value) ? json::value(value) : nullptr; }

json::value Time(int64_t ns) { return ns == 0 ? json::value(nullptr) : json::value(Rfc3339(ns)); }

const v1::Unit* FindUnit(const NodeState& node, const std::string& name) {
  if (!node.catalog) return nullptr;
  for (const v1::Unit& unit : node.catalog->units()) {
    if (unit.name() == name) return &unit;
  }
  return nullptr;
}

json::object ParameterJson(const v1::Parameter& parameter) {
  return {{"name", parameter.name()},       {"help", parameter.help()},
          {"unit", parameter.unit()},       {"default", parameter.default_value()},
          {"minimum", parameter.minimum()}, {"maximum", parameter.maximum()}};
}

json::array ParameterValues(const v1::UnitStatus& status, const v1::Unit* unit) {
  json::array list;
  for (const v1::ParameterValue& value : status.parameters()) {
    json::object item{{"name", value.name()}, {"value", value.value()}};
    const int declared = unit ? unit->parameters_size() : 0;
    for (int i = 0; i < declared; ++i) {
      if (unit->parameters(i).name() == value.name()) {
        item = ParameterJson(unit->parameters(i));
        item["value"] = value.value();
      }
    }
    list.push_back(std::move(item));
  }
  return list;
}

json::object UnitStateJson(const v1::UnitStatus& status, const v1::Unit* unit) {
  return {{"unit", status.unit()},
          {"instance", status.instance()},
          {"state", UnitStateName(status.state())},
          {"mechanism", status.mechanism()},
          {"lacks", status.lacks()},
          {"reason", status.reason()},
          {"counters",
           {{"emitted", status.emitted()},
            {"refused", status.refused()},
            {"ring_full", status.ring_full()}}},
          {"parameters", ParameterValues(status, unit)},
          {"filter",
           unit && !unit->filter().empty() ? json::value(status.filter()) : json::value(nullptr)}};
}

json::array Programs(const v1::NodeStatus& status) {
  json::array list;
  for (const v1::ProgramCost& program : status.programs()) {
    const double ns = program.runs() == 0 ? 0
                                          : static_cast<double>(program.run_ns()) /
                                                static_cast<double>(program.runs());
    list.push_back({{"unit", program.unit()},
                    {"instance", program.instance()},
                    {"program", program.program()},
                    {"runs", program.runs()},
                    {"run_ns", program.run_ns()},
                    {"ns_per_run", program.runs() == 0 ? json::value(nullptr) : Finite(ns)},
                    {"cpu_ratio", Finite(program.ratio())},
                    {"map_bytes", program.map_bytes()},
                    {"recursion_misses", program.recursion_misses()}});
  }
  return list;
}

json::array Losses(const v1::NodeStatus& status) {
  json::array list;
  for (const v1::Loss& loss : status.losses()) {
    list.push_back({{"unit", loss.unit()}, {"cause", loss.cause()}, {"count", loss.count()}});
  }
  return list;
}

json::object Collector(const v1::NodeStatus& status) {
  return {{"cpu_seconds", Finite(status.cpu_seconds())},
          {"rss_bytes", status.rss_bytes()},
          {"peak_rss_bytes", status.peak_rss_bytes()},
          {"map_bytes", status.map_bytes()},
          {"spool_bytes", status.spool_bytes()},
          {"spool_limit_bytes", status.spool_limit_bytes()},
          {"spooled_entries", status.spooled_entries()},
          {"containers", status.containers()}};
}

json::object Accounting(const NodeState& node) {
  json::array refused;
  for (const v1::RefusedUnit& unit : node.refused_units) {
    refused.push_back({{"unit", unit.unit()}, {"reason", unit.reason()}});
  }
  return {{"events", node.events},
          {"rejected", node.rejected},
          {"missing", node.missing},
          {"high_water", node.high_water},
          {"session", node.session},
          {"clock_skew_seconds", static_cast<double>(node.clock_skew_ns) / 1e9},
          {"refused_units", std::move(refused)}};
}

// What the node has lost since its collector started, of all units and causes.
uint64_t Lost(const v1::NodeStatus& status) {
  uint64_t lost = 0;
  for (const v1::Loss& loss : status.losses()) lost += loss.count();
  return lost;
}

json::array RefusedUnits(const google::protobuf::RepeatedPtrField<v1::RefusedUnit>& refused) {
  json::array list;
  for (const v1::RefusedUnit& unit : refused) {
    list.push_back({{"unit", unit.unit()}, {"reason", unit.reason()}});
  }
  return list;
}

json::object Configured(const NodeState& node, uint64_t configuration) {
  const std::string_view state = ConfigStateName(ConfigStateOf(node, configuration));
  return {{"state", json::string_view(state.data(), state.size())},
          {"version", node.configured.version()},
          {"refused", RefusedUnits(node.configured.refused())}};
}

json::array Shed(const v1::NodeStatus& status) {
  return json::array(status.shed().begin(), status.shed().end());
}

const char* FieldType(v1::Field::Type type) {
  static constexpr const char* kNames[] = {"unknown", "uint",  "sint", "double", "bool", "text",
                                           "bytes",   "stack", "list", "record", "id",   "map"};
  const auto index = static_cast<size_t>(type);
  return index < std::size(kNames) ? kNames[index] : kNames[0];
}

const char* MetricTypeName(v1::MetricType::Type type) {
  static constexpr const char* kNames[] = {"unknown", "counter", "gauge", "histogram", "untyped"};
  const auto index = static_cast<size_t>(type);
  return index < std::size(kNames) ? kNames[index] : kNames[0];
}

// Catalogs are checked for their depth before they get here.
// NOLINTNEXTLINE(misc-no-recursion)
json::array Fields(const google::protobuf::RepeatedPtrField<v1::Field>& fields) {
  json::array list;
  for (const v1::Field& field : fields) {
    json::object item{
        {"name", field.name()}, {"help", field.help()}, {"type", FieldType(field.type())}};
    if (field.fields_size() > 0) item["fields"] = Fields(field.fields());
    list.push_back(std::move(item));
  }
  return list;
}

json::object MetricJson(const v1::MetricType& metric) {
  return {{"name", metric.name()},
          {"help", metric.help()},
          {"type", MetricTypeName(metric.type())},
          {"labels", json::array(metric.labels().begin(), metric.labels().end())},
          {"container", metric.container()}};
}

json::array Profiles(const v1::Unit& unit) {
  json::array profiles;
  for (const v1::ProfileType& profile : unit.profiles()) {
    json::array values;
    for (const v1::ValueType& value : profile.values()) {
      values.push_back({{"type", value.type()}, {"unit", value.unit()}});
    }
    profiles.push_back(
        {{"name", profile.name()}, {"help", profile.help()}, {"values", std::move(values)}});
  }
  return profiles;
}

}  // namespace

json::object NodeSummary(const NodeState& node, uint64_t configuration) {
  json::array states;
  for (const v1::UnitStatus& unit : node.status.units()) {
    states.push_back({{"unit", unit.unit()},
                      {"instance", unit.instance()},
                      {"state", UnitStateName(unit.state())},
                      {"reason", unit.reason()}});
  }
  return {{"node", node.hello.node()},
          {"region", node.hello.region()},
          {"hostname", node.hello.hostname()},
          {"kernel", node.hello.kernel_release()},
          {"version", node.hello.version()},
          {"connected", node.connected},
          {"replica", node.replica.empty() ? json::value(nullptr) : json::value(node.replica)},
          {"connected_time", Time(node.connected_ns)},
          {"last_message_time", Time(node.last_message_ns)},
          {"cpus", node.status.cpus()},
          {"overhead_ratio", Finite(node.status.overhead_ratio())},
          {"budget_ratio", Finite(node.status.budget_ratio())},
          {"lost", Lost(node.status)},
          {"shed", Shed(node.status)},
          {"configuration", Configured(node, configuration)},
          {"units", std::move(states)}};
}

json::object NodeDetail(const NodeState& node, uint64_t configuration) {
  json::object detail = NodeSummary(node, configuration);
  detail["boot_id"] = node.hello.boot_id();
  detail["epoch"] = Hex(node.hello.epoch());
  detail["status_time"] = Time(node.status.time_ns());
  json::array units;
  for (const v1::UnitStatus& status : node.status.units()) {
    units.push_back(UnitStateJson(status, FindUnit(node, status.unit())));
  }
  detail["units"] = std::move(units);
  detail["programs"] = Programs(node.status);
  detail["losses"] = Losses(node.status);
  detail["collector"] = Collector(node.status);
  detail["server"] = Accounting(node);
  return detail;
}

json::object UnitJson(const v1::Unit& unit) {
  json::array events;
  for (const v1::EventType& event : unit.events()) {
    events.push_back(
        {{"name", event.name()}, {"help", event.help()}, {"fields", Fields(event.fields())}});
  }
  json::array metrics;
  for (const v1::MetricType& metric : unit.metrics()) metrics.push_back(MetricJson(metric));
  json::array parameters;
  for (const v1::Parameter& parameter : unit.parameters()) {
    parameters.push_back(ParameterJson(parameter));
  }
  return {{"name", unit.name()},
          {"help", unit.help()},
          {"events", std::move(events)},
          {"metrics", std::move(metrics)},
          {"parameters", std::move(parameters)},
          {"profiles", Profiles(unit)},
          {"task", unit.task()},
          {"filter", unit.filter()}};
}

}  // namespace huatuo
