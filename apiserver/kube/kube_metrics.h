// What the watch of the pods says about itself, as huatuo_apiserver_kube_… series.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "apiserver/pods/pod_index.h"

namespace prometheus {
class Registry;
}

namespace huatuo {

class KubeMetrics {
 public:
  // `registry` must outlive this object.
  explicit KubeMetrics(prometheus::Registry& registry);
  ~KubeMetrics();

  // Whether a watch is open.
  void Watching(bool open);
  // `cause`: "start", "gone" (410), "malformed".
  void Listed(std::string_view cause);
  // `cause`: "connection", "timeout", "trust", "unauthorized", "forbidden", "gone", "throttled",
  // "malformed", "too_large", "credentials", "server".
  void Error(std::string_view cause);
  // `kind`: "set", "deleted", "bookmark".
  void Event(std::string_view kind, int64_t wall_ns);
  // A pod without uid, name or namespace.
  void MalformedPod();
  void TextsLeftOut(uint64_t count);
  void Index(const PodIndex::Counts& counts);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace huatuo
