// What the cluster knows of a pod, as far as events and metrics tell it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace huatuo {

struct PodContainer {
  std::string name;
  // "normal", "sidecar", "init", "ephemeral"; of every container of such a pod "static" or
  // "daemonset". A literal.
  std::string_view type;
  // As runtimes and cgroups have it, without "containerd://"; the present one first, then the one
  // before the newest restart.
  std::vector<std::string> ids;
};

// Immutable once it is in an index.
struct Pod {
  using Texts = std::vector<std::pair<std::string, std::string>>;  // by name

  std::string uid;
  std::string resource_version;
  std::string namespace_name;
  std::string name;
  std::string node;
  std::string qos;    // "guaranteed", "burstable", "besteffort", as the node says it
  std::string owner;  // "Deployment/web"; empty: none, or the node itself
  // What the kubelet calls a static pod, hence its cgroup; empty: not static.
  std::string config_hash;
  Texts labels;
  Texts annotations;  // the chosen ones
  std::vector<PodContainer> containers;
};

}  // namespace huatuo
