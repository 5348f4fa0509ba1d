// The label text of a series, rendered once when it is announced.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/pods/pod_index.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// Appends `text` as the inside of a Prometheus label value: \ " and newline are escaped.
void AppendEscaped(std::string& out, std::string_view text);

// `node="a",region="b"`, the beginning of every series of a node.
std::string NodeLabels(std::string_view node, std::string_view region);

// Which of a pod's labels its series have, as (name in the pod, name of the label).
using PodLabelNames = std::vector<std::pair<std::string, std::string>>;

// `label_app_kubernetes_io_name` for app.kubernetes.io/name. InvalidArgument when there are more
// than 16, or two would become the same label.
absl::StatusOr<PodLabelNames> MakePodLabelNames(const std::vector<std::string>& names);

// `namespace="…",pod="…",container="…",container_id="…",qos="…"`, and the labels of the pod that it
// has. What is not known is an empty value; of a pod as a whole the uid stands for its name then.
std::string ContainerLabels(const v1::Container& container, const PodIndex::Found& found,
                            const PodLabelNames& names);

// `node_labels`, then `container_labels` unless they are empty, then the declared ones in their
// order. InvalidArgument when the numbers differ or a value is longer than 1024 bytes.
absl::StatusOr<std::string> SeriesLabels(std::string_view node_labels,
                                         std::string_view container_labels,
                                         const v1::MetricType& metric,
                                         const v1::SeriesAnnounce& announce);

}  // namespace huatuo
