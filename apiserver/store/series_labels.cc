#include "apiserver/store/series_labels.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/status.h"

namespace huatuo {
namespace {

constexpr size_t kMaxValue = 1024;
constexpr size_t kMaxPodLabels = 16;

void AppendLabel(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out.push_back(',');
  out.append(name).append("=\"");
  AppendEscaped(out, value);
  out.push_back('"');
}

std::string PodLabelName(std::string_view name) {
  std::string label = "label_";
  for (const char c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    label.push_back(plain ? c : '_');
  }
  return label;
}

}  // namespace

void AppendEscaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '\\':
        out.append("\\\\");
        break;
      case '"':
        out.append("\\\"");
        break;
      case '\n':
        out.append("\\n");
        break;
      default:
        out.push_back(c);
    }
  }
}

std::string NodeLabels(std::string_view node, std::string_view region) {
  std::string out;
  AppendLabel(out, "node", node);
  AppendLabel(out, "region", region);
  return out;
}

absl::StatusOr<PodLabelNames> MakePodLabelNames(const std::vector<std::string>& names) {
  if (names.size() > kMaxPodLabels) {
    return InvalidArgument(fmt::format("{} labels: at most {}", names.size(), kMaxPodLabels));
  }
  PodLabelNames made;
  for (const std::string& name : names) {
    std::string label = PodLabelName(name);
    for (const auto& [other, its_label] : made) {
      if (its_label != label) continue;
      return InvalidArgument(fmt::format("{} and {} would both be {}", other, name, label));
    }
    made.emplace_back(name, std::move(label));
  }
  return made;
}

std::string ContainerLabels(const v1::Container& container, const PodIndex::Found& found,
                            const PodLabelNames& names) {
  static const Pod kUnknown;
  const Pod& pod = found.pod ? *found.pod : kUnknown;
  const bool nameless = !found.pod && container.id().empty() && container.name().empty();
  std::string out;
  AppendLabel(out, "namespace", pod.namespace_name);
  AppendLabel(out, "pod", nameless ? container.pod_uid() : pod.name);
  AppendLabel(out, "container", found.container ? found.container->name : container.name());
  AppendLabel(out, "container_id", container.id());
  AppendLabel(out, "qos", container.qos().empty() ? pod.qos : container.qos());
  for (const auto& [name, label] : names) {
    const auto text = std::lower_bound(
        pod.labels.begin(), pod.labels.end(), name,
        [](const auto& item, const std::string& wanted) { return item.first < wanted; });
    if (text != pod.labels.end() && text->first == name) AppendLabel(out, label, text->second);
  }
  return out;
}

absl::StatusOr<std::string> SeriesLabels(std::string_view node_labels,
                                         std::string_view container_labels,
                                         const v1::MetricType& metric,
                                         const v1::SeriesAnnounce& announce) {
  if (announce.label_values_size() != metric.labels_size()) {
    return InvalidArgument(fmt::format("label_values: {}: {} has {} labels",
                                       announce.label_values_size(), metric.name(),
                                       metric.labels_size()));
  }
  std::string out(node_labels);
  if (!container_labels.empty()) out.append(",").append(container_labels);
  for (int i = 0; i < metric.labels_size(); ++i) {
    if (announce.label_values(i).size() > kMaxValue) {
      return InvalidArgument(fmt::format("label_values[{}]: {} bytes: at most {}", i,
                                         announce.label_values(i).size(), kMaxValue));
    }
    AppendLabel(out, metric.labels(i), announce.label_values(i));
  }
  out.shrink_to_fit();
  return out;
}

}  // namespace huatuo
