#include "apiserver/pods/pod_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <string_view>

#include "apiserver/pods/owner.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

namespace json = boost::json;

// Kubernetes allows 253 bytes; what is longer is not of Kubernetes.
constexpr size_t kMaxName = 253;
constexpr size_t kMaxText = 1024;
constexpr size_t kMaxTexts = 64;
constexpr size_t kMaxContainers = 256;

constexpr const char* kConfigHash = "kubernetes.io/config.hash";

const json::object& Object(const json::object& object, const char* key) {
  static const json::object kEmpty;
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : kEmpty;
}

const json::array& Array(const json::object& object, const char* key) {
  static const json::array kEmpty;
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : kEmpty;
}

std::string_view View(const json::value& value) {
  if (!value.is_string()) return {};
  return {value.get_string().data(), value.get_string().size()};
}

std::string_view Text(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? std::string_view() : View(*value);
}

absl::StatusOr<std::string> Name(const json::object& metadata, const char* key) {
  const std::string_view name = Text(metadata, key);
  if (!name.empty() && name.size() <= kMaxName) return std::string(name);
  return InvalidArgument(
      fmt::format("metadata.{}: {} bytes: accepted are 1 to {}", key, name.size(), kMaxName));
}

// Returns how many were left out.
template <typename Wanted>
uint64_t Keep(const json::object& from, Wanted wanted, Pod::Texts& to) {
  uint64_t left_out = 0;
  for (const auto& item : from) {
    const std::string_view name(item.key().data(), item.key().size());
    const std::string_view text = View(item.value());
    if (!wanted(name)) continue;
    if (name.size() > kMaxText || text.size() > kMaxText || to.size() == kMaxTexts) {
      ++left_out;
    } else {
      to.emplace_back(name, text);
    }
  }
  std::sort(to.begin(), to.end());
  to.shrink_to_fit();
  return left_out;
}

std::string Owner(const json::object& metadata) {
  for (const json::value& owner : Array(metadata, "ownerReferences")) {
    if (!owner.is_object()) continue;
    const json::value* controller = owner.get_object().if_contains("controller");
    if (controller == nullptr || !controller->is_bool() || !controller->get_bool()) continue;
    return OwnerOf(Text(owner.get_object(), "kind"), Text(owner.get_object(), "name"),
                   Text(Object(metadata, "labels"), "pod-template-hash"));
  }
  return "";
}

// As the names of cgroups have it.
std::string Lower(std::string_view text) {
  std::string lower(text.substr(0, kMaxName));
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return lower;
}

void AddId(std::string_view id, PodContainer& container) {
  const size_t scheme = id.find("://");
  if (scheme != std::string_view::npos) id.remove_prefix(scheme + 3);
  if (id.empty() || id.size() > kMaxName) return;
  auto& ids = container.ids;
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.emplace_back(id);
}

void AddIds(const json::object& status, PodContainer& container) {
  AddId(Text(status, "containerID"), container);
  for (const char* state : {"state", "lastState"}) {
    AddId(Text(Object(Object(status, state), "terminated"), "containerID"), container);
  }
}

struct Section {
  const char* spec;
  const char* status;
  std::string_view type;
};

constexpr Section kSections[] = {
    {"containers", "containerStatuses", "normal"},
    {"initContainers", "initContainerStatuses", "init"},
    {"ephemeralContainers", "ephemeralContainerStatuses", "ephemeral"}};

void AddContainers(const json::object& pod, const Section& section, std::string_view of_pod,
                   Pod& out) {
  const size_t first = out.containers.size();
  for (const json::value& value : Array(Object(pod, "spec"), section.spec)) {
    if (!value.is_object() || out.containers.size() == kMaxContainers) continue;
    const json::object& container = value.get_object();
    // An init container that is restarted for as long as the pod lives is a sidecar.
    const bool sidecar = section.type == "init" && Text(container, "restartPolicy") == "Always";
    const std::string_view own = sidecar ? "sidecar" : section.type;
    out.containers.push_back({.name = std::string(Text(container, "name").substr(0, kMaxName)),
                              .type = of_pod.empty() ? own : of_pod,
                              .ids = {}});
  }
  for (const json::value& value : Array(Object(pod, "status"), section.status)) {
    if (!value.is_object()) continue;
    const std::string_view name = Text(value.get_object(), "name");
    const auto found =
        std::find_if(out.containers.begin() + static_cast<ptrdiff_t>(first), out.containers.end(),
                     [name](const PodContainer& c) { return c.name == name; });
    if (found != out.containers.end()) AddIds(value.get_object(), *found);
  }
}

}  // namespace

absl::StatusOr<ParsedPod> ParsePod(const json::object& pod,
                                   const std::vector<std::string>& annotations) {
  const json::object& metadata = Object(pod, "metadata");
  ParsedPod parsed;
  Pod& out = parsed.pod;
  ASSIGN_OR_RETURN(out.uid, Name(metadata, "uid"));
  ASSIGN_OR_RETURN(out.name, Name(metadata, "name"));
  ASSIGN_OR_RETURN(out.namespace_name, Name(metadata, "namespace"));
  out.resource_version = Text(metadata, "resourceVersion").substr(0, kMaxName);
  out.node = Text(Object(pod, "spec"), "nodeName").substr(0, kMaxName);
  out.qos = Lower(Text(Object(pod, "status"), "qosClass"));
  out.owner = Owner(metadata);
  const json::object& noted = Object(metadata, "annotations");
  out.config_hash = Text(noted, kConfigHash).substr(0, kMaxName);
  parsed.texts_left_out = Keep(
      Object(metadata, "labels"), [](std::string_view) { return true; }, out.labels);
  parsed.texts_left_out += Keep(
      noted,
      [&](std::string_view name) {
        return std::find(annotations.begin(), annotations.end(), name) != annotations.end();
      },
      out.annotations);
  const std::string_view of_pod = !out.config_hash.empty()              ? "static"
                                  : out.owner.starts_with("DaemonSet/") ? "daemonset"
                                                                        : "";
  for (const Section& section : kSections) AddContainers(pod, section, of_pod, out);
  return parsed;
}

}  // namespace huatuo
