// Pods as text.
#pragma once

#include <fmt/format.h>

#include <string>

#include "apiserver/pods/pod_index.h"

namespace huatuo {

inline std::string Show(const Pod& pod) {
  std::string out = fmt::format("{}/{} {} on {}, {}, {}\n", pod.namespace_name, pod.name, pod.uid,
                                pod.node, pod.qos, pod.owner.empty() ? "no owner" : pod.owner);
  if (!pod.config_hash.empty()) out += "  hash " + pod.config_hash + "\n";
  for (const auto& [name, value] : pod.labels) out += fmt::format("  {}={}\n", name, value);
  for (const auto& [name, value] : pod.annotations) out += fmt::format("  @{}={}\n", name, value);
  for (const PodContainer& container : pod.containers) {
    out += fmt::format("  {} {}:", container.type, container.name);
    for (const std::string& id : container.ids) out += " " + id.substr(0, 8);
    out += "\n";
  }
  return out;
}

// "namespace/pod container", "namespace/pod" or "unknown".
inline std::string Show(const PodIndex::Found& found) {
  if (!found.pod) return "unknown";
  const std::string pod = found.pod->namespace_name + "/" + found.pod->name;
  return found.container == nullptr ? pod : pod + " " + found.container->name;
}

}  // namespace huatuo
