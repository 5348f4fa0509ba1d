#include "apiserver/tasks/task.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <stdexcept>

#include "common/document.h"
#include "common/status.h"

namespace huatuo {
namespace {

namespace json = boost::json;

constexpr std::string_view kStateNames[] = {"pending", "dispatched", "running", "succeeded",
                                            "failed",  "cancelled",  "expired"};

json::string_view View(std::string_view text) { return {text.data(), text.size()}; }

json::value Time(int64_t ns) { return ns == 0 ? json::value(nullptr) : json::value(Rfc3339(ns)); }

json::object Parameters(const TaskSpec& spec) {
  json::object parameters;
  for (const auto& [name, value] : spec.parameters) parameters[name] = value;
  if (!spec.filter.empty()) parameters["filter"] = spec.filter;
  return parameters;
}

json::object Target(const TaskTarget& target) {
  json::object object;
  if (!target.nodes.empty()) {
    object["nodes"] = json::array(target.nodes.begin(), target.nodes.end());
  }
  if (!target.container.empty()) object["container"] = target.container;
  if (target.pid != 0) object["pid"] = target.pid;
  return object;
}

json::object NodeJson(const TaskNode& node) {
  json::object object{{"node", node.node},         {"state", View(StateName(node.state))},
                      {"reason", node.reason},     {"events", node.events},
                      {"profiles", node.profiles}, {"lost", node.lost}};
  if (!node.container_id.empty()) object["container_id"] = node.container_id;
  if (!node.name_space.empty()) object["namespace"] = node.name_space;
  return object;
}

// Reads what TaskJson and ToRow write; throws what Boost.JSON throws when it is something else.
class Reader {
 public:
  explicit Reader(const json::value& value) : object_(value.as_object()) {}

  std::string Text(const char* key) const {
    const json::value* value = object_.if_contains(key);
    return value == nullptr ? "" : std::string(value->as_string());
  }
  uint64_t Number(const char* key) const {
    const json::value* value = object_.if_contains(key);
    return value == nullptr ? 0 : value->to_number<uint64_t>();
  }
  bool Flag(const char* key) const { return object_.at(key).as_bool(); }
  int64_t TimeNs(const char* key) const {
    const json::value& value = object_.at(key);
    return value.is_null() ? 0 : ParseRfc3339(Text(key)).value_or(0);
  }
  TaskState State() const {
    const std::string name = Text("state");
    const auto* found = std::find(std::begin(kStateNames), std::end(kStateNames), name);
    if (found == std::end(kStateNames)) throw std::invalid_argument("state " + name);
    return static_cast<TaskState>(found - std::begin(kStateNames));
  }
  const json::value& at(const char* key) const { return object_.at(key); }

 private:
  const json::object& object_;
};

TaskSpec ReadSpec(const Reader& document) {
  TaskSpec spec{.tool = document.Text("tool"),
                .parameters = {},
                .filter = {},
                .target = {},
                .duration_seconds = static_cast<int64_t>(document.Number("duration_seconds"))};
  for (const auto& member : document.at("parameters").as_object()) {
    if (member.value().is_string()) {
      spec.filter = member.value().as_string().c_str();
    } else {
      spec.parameters[member.key()] = member.value().to_number<uint64_t>();
    }
  }
  const Reader target(document.at("target"));
  spec.target.container = target.Text("container");
  spec.target.pid = static_cast<uint32_t>(target.Number("pid"));
  const json::value* nodes = document.at("target").as_object().if_contains("nodes");
  if (nodes == nullptr) return spec;
  for (const json::value& node : nodes->as_array()) {
    spec.target.nodes.emplace_back(node.as_string());
  }
  return spec;
}

TaskNode ReadNode(const json::value& value) {
  const Reader node(value);
  return {.node = node.Text("node"),
          .container_id = node.Text("container_id"),
          .name_space = node.Text("namespace"),
          .state = node.State(),
          .reason = node.Text("reason"),
          .completed = node.Flag("completed"),
          .started_ns = static_cast<int64_t>(node.Number("started_ns")),
          .announced_events = node.Number("announced_events"),
          .announced_profiles = node.Number("announced_profiles"),
          .events = node.Number("events"),
          .profiles = node.Number("profiles"),
          .lost = node.Number("lost")};
}

Task ReadTask(const TaskRow& row) {
  const json::value value = json::parse(View(row.document));
  const Reader document(value);
  Task task{.id = row.id,
            .spec = ReadSpec(document),
            .state = document.State(),
            .reason = document.Text("reason"),
            .cancelled = document.Flag("cancel_requested"),
            .created_ns = document.TimeNs("created_time"),
            .started_ns = document.TimeNs("started_time"),
            .ended_ns = document.TimeNs("ended_time"),
            .nodes = {},
            .position = row.position,
            .version = row.version};
  for (const json::value& node : document.at("nodes").as_array()) {
    task.nodes.push_back(ReadNode(node));
  }
  return task;
}

}  // namespace

std::string_view StateName(TaskState state) { return kStateNames[static_cast<size_t>(state)]; }

std::vector<std::string> StateNames() { return {std::begin(kStateNames), std::end(kStateNames)}; }

TaskNode* FindNode(Task& task, std::string_view node) {
  for (TaskNode& one : task.nodes) {
    if (one.node == node) return &one;
  }
  return nullptr;
}

json::object TaskJson(const Task& task) {
  json::array nodes;
  for (const TaskNode& node : task.nodes) nodes.push_back(NodeJson(node));
  return {{"id", task.id},
          {"tool", task.spec.tool},
          {"parameters", Parameters(task.spec)},
          {"target", Target(task.spec.target)},
          {"duration_seconds", task.spec.duration_seconds},
          {"state", View(StateName(task.state))},
          {"reason", task.reason},
          {"cancel_requested", task.cancelled},
          {"created_time", Time(task.created_ns)},
          {"started_time", Time(task.started_ns)},
          {"ended_time", Time(task.ended_ns)},
          {"nodes", std::move(nodes)}};
}

TaskRow ToRow(const Task& task) {
  json::object document = TaskJson(task);
  json::array& nodes = document["nodes"].as_array();
  for (size_t i = 0; i < task.nodes.size(); ++i) {
    json::object& node = nodes[i].as_object();
    node["completed"] = task.nodes[i].completed;
    node["started_ns"] = task.nodes[i].started_ns;
    node["announced_events"] = task.nodes[i].announced_events;
    node["announced_profiles"] = task.nodes[i].announced_profiles;
  }
  return {.id = task.id,
          .position = task.position,
          .version = task.version,
          .tool = task.spec.tool,
          .state = std::string(StateName(task.state)),
          .ended_ns = task.ended_ns,
          .document = json::serialize(document)};
}

absl::StatusOr<Task> ParseTask(const TaskRow& row) {
  try {
    return ReadTask(row);
  } catch (const std::exception& error) {
    return InvalidArgument("task " + row.id + ": kept document: " + error.what());
  }
}

v1::ToNode OpenMessage(const Task& task, const TaskNode& node) {
  constexpr uint64_t kSecond = 1'000'000'000;
  v1::ToNode message;
  v1::OpenInstance& open = *message.mutable_open_instance();
  open.set_task_id(task.id);
  open.set_unit(task.spec.tool);
  for (const auto& [name, value] : task.spec.parameters) {
    v1::ParameterValue& parameter = *open.add_values();
    parameter.set_name(name);
    parameter.set_value(value);
  }
  open.set_container_id(node.container_id);
  open.set_pid(task.spec.target.pid);
  open.set_duration_ns(static_cast<uint64_t>(task.spec.duration_seconds) * kSecond);
  open.set_filter(task.spec.filter);
  return message;
}

v1::ToNode CloseMessage(const std::string& task_id) {
  v1::ToNode message;
  message.mutable_close_instance()->set_task_id(task_id);
  return message;
}

}  // namespace huatuo
