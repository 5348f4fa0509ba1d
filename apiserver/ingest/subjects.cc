#include "apiserver/ingest/subjects.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace huatuo {
namespace {

// The fields of one subject, each with its role before the name.
class Fields {
 public:
  Fields(JsonText& document, const std::string& role)
      : document_(document), key_(role.empty() ? "" : role + "_"), prefix_(key_.size()) {}

  void Add(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    AddKey(name);
    document_.Text(value);
  }
  void Add(std::string_view name, const Pod::Texts& texts) {
    if (texts.empty()) return;
    AddKey(name);
    document_.BeginObject();
    for (const auto& [key, value] : texts) {
      document_.Key(key);
      document_.Text(value);
    }
    document_.EndObject();
  }

 private:
  void AddKey(std::string_view name) {
    key_.replace(prefix_, std::string::npos, name);
    document_.Key(key_);
  }

  JsonText& document_;
  std::string key_;
  const size_t prefix_;
};

}  // namespace

SubjectRow TellSubject(const v1::Subject& subject, const PodIndex* pods, JsonText& document) {
  const v1::Container& container = subject.container();
  PodIndex::Found found;
  if (pods != nullptr) found = pods->Find(container.id(), container.pod_uid());
  static const Pod kUnknown;
  const Pod& pod = found.pod ? *found.pod : kUnknown;
  SubjectRow row{.role = subject.role(),
                 .container_id = container.id(),
                 .container_name = found.container ? found.container->name : container.name(),
                 .namespace_name = pod.namespace_name,
                 .pod_name = pod.name,
                 .pod_uid = found.pod ? pod.uid : container.pod_uid()};
  Fields fields(document, row.role);
  fields.Add("container_id", row.container_id);
  fields.Add("container_name", row.container_name);
  fields.Add("container_hostname", container.hostname());
  fields.Add("container_host_namespace", row.namespace_name);
  fields.Add("container_type",
             found.container ? found.container->type : std::string_view(container.type()));
  fields.Add("container_qos", container.qos().empty() ? pod.qos : container.qos());
  fields.Add("pod_name", row.pod_name);
  fields.Add("pod_uid", row.pod_uid);
  fields.Add("pod_labels", pod.labels);
  fields.Add("pod_annotations", pod.annotations);
  fields.Add("owner", pod.owner);
  return row;
}

bool Unresolved(const v1::Container& container, const PodIndex& pods) {
  // What is longer is not of Kubernetes, and is refused with its event.
  constexpr size_t kMaxName = 256;
  const size_t longest = std::max(container.id().size(), container.pod_uid().size());
  if (container.pod_uid().empty() || longest > kMaxName) return false;
  const PodIndex::Found found = pods.Find(container.id(), container.pod_uid());
  return container.id().empty() ? !found.pod : !found.container;
}

}  // namespace huatuo
