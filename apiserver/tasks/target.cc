#include "apiserver/tasks/target.h"

#include <algorithm>
#include <map>

#include "apiserver/store/series_labels.h"
#include "apiserver/tasks/request.h"

namespace huatuo {
namespace {

constexpr size_t kMinPrefix = 12;
// Of what a refusal lists.
constexpr size_t kMaxListed = 20;

// The escaped value of a label in `labels` (name="value",…); empty when there is none.
std::string_view LabelOf(std::string_view labels, std::string_view key) {
  size_t at = labels.find(key);
  if (at == std::string_view::npos) return {};
  at += key.size();
  size_t end = at;
  while (end < labels.size() && labels[end] != '"') end += labels[end] == '\\' ? 2 : 1;
  return labels.substr(at, end - at);
}

// By id, with their namespaces.
using Containers = std::map<std::string, std::string>;

// The containers that `wanted` names, by node: of those that have a series now.
std::map<std::string, Containers> FindContainer(const SeriesTable& series,
                                                const std::string& wanted) {
  std::string escaped;
  AppendEscaped(escaped, wanted);
  std::map<std::string, Containers> found;
  series.Visit(
      "", [](const Family&) {},
      [&](const Family&, const SeriesView& view) {
        const std::string_view id = LabelOf(view.labels, R"(,container_id=")");
        if (id.empty()) return;
        const bool matches = id == escaped ||
                             (escaped.size() >= kMinPrefix && id.starts_with(escaped)) ||
                             LabelOf(view.labels, R"(,container=")") == escaped;
        if (!matches) return;
        found[std::string(LabelOf(view.labels, R"(node=")"))].emplace(
            id, LabelOf(view.labels, R"(,namespace=")"));
      });
  return found;
}

std::string Listed(std::vector<std::string> names) {
  if (names.size() <= kMaxListed) return OneOf(names);
  const size_t more = names.size() - kMaxListed;
  names.resize(kMaxListed);
  return fmt::format("{} and {} more", OneOf(names), more);
}

std::vector<std::string> Ids(const Containers& containers) {
  std::vector<std::string> ids;
  for (const auto& [id, name_space] : containers) ids.push_back(id);
  return ids;
}

std::string KnownNodes(const Nodes& nodes) {
  std::vector<std::string> names;
  for (const NodeState& node : nodes.List()) names.push_back(node.hello.node());
  return Listed(std::move(names));
}

Objection CheckNode(const TaskSpec& spec, const Nodes& nodes, const std::string& name) {
  const std::optional<NodeState> node = nodes.Find(name);
  if (!node) {
    return Refusal{"target.nodes", fmt::format("no node is called {}", name), KnownNodes(nodes)};
  }
  if (!node->catalog) {
    return Refusal{"target.nodes", fmt::format("node {} has not told its tools yet", name),
                   "a node that has been connected"};
  }
  Objection bad = CheckUnit(*node->catalog, spec);
  if (bad) bad->detail += fmt::format(" on node {}", name);
  return bad;
}

Objection ResolveContainer(const TaskSpec& spec, const Nodes& nodes, const SeriesTable& series,
                           std::vector<TaskNode>& resolved) {
  const TaskTarget& target = spec.target;
  for (const auto& [node, ids] : FindContainer(series, target.container)) {
    const auto& only = target.nodes;
    if (!only.empty() && std::find(only.begin(), only.end(), node) == only.end()) continue;
    if (ids.size() > 1) {
      return Refusal{
          "target.container",
          fmt::format("{} containers of node {} match \"{}\"", ids.size(), node, target.container),
          Listed(Ids(ids))};
    }
    if (auto bad = CheckNode(spec, nodes, node)) return bad;
    const auto& [id, name_space] = *ids.begin();
    resolved.push_back({.node = node, .container_id = id, .name_space = name_space});
  }
  if (!resolved.empty() && (target.nodes.empty() || resolved.size() == target.nodes.size())) {
    return std::nullopt;
  }
  return Refusal{
      "target.container",
      fmt::format("no container whose name or id is \"{}\" is reported by {}", target.container,
                  target.nodes.empty() ? "any node" : "every one of these nodes"),
      fmt::format("the name of a container, its id, or the first {} or more digits of it",
                  kMinPrefix)};
}

}  // namespace

Objection ResolveTarget(const TaskSpec& spec, const Nodes& nodes, const SeriesTable& series,
                        std::vector<TaskNode>& resolved) {
  for (const std::string& name : spec.target.nodes) {
    if (auto bad = CheckNode(spec, nodes, name)) return bad;
    if (spec.target.container.empty()) resolved.push_back({.node = name});
  }
  if (!spec.target.container.empty()) return ResolveContainer(spec, nodes, series, resolved);
  if (!resolved.empty()) return std::nullopt;
  return Refusal{"target", "names neither nodes nor a container", "nodes, or a container"};
}

}  // namespace huatuo
