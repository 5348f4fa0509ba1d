// What the Kubernetes API says: a chunk of a list, a line of a watch, an error.
// Seeds: test/apiserver/pods/pods.json test/apiserver/pods/change.json
#include "apiserver/kube/pod_messages.h"
#include "test/fuzz/must.h"

namespace {

void Check(const huatuo::Pod& pod) {
  using huatuo::Must;
  Must(!pod.uid.empty() && !pod.name.empty() && !pod.namespace_name.empty());
  Must(pod.labels.size() <= 64 && pod.containers.size() <= 256);
  huatuo::MustBeText(pod.name);
  for (const auto& [name, text] : pod.labels) huatuo::MustBeText(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> annotations = {"team"};
  const auto page = huatuo::ParsePage(text, annotations);
  if (page.ok()) {
    huatuo::Must(!page->resource_version.empty());
    for (const huatuo::Pod& pod : page->pods) Check(pod);
  }
  const auto change = huatuo::ParseChange(text, annotations);
  if (change.ok() && change->pod) Check(*change->pod);
  huatuo::Must(huatuo::StatusMessage(text).size() <= 256);
  return 0;
}
