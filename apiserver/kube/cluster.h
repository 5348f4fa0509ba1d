// The pods of the Kubernetes cluster that this process belongs to, kept up to date.
//
// Thread-safe.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/kube/access.h"
#include "apiserver/kube/kube_metrics.h"
#include "apiserver/kube/pod_watch.h"
#include "apiserver/pods/pod_index.h"
#include "common/clock.h"

namespace huatuo {

struct ClusterOptions {
  // "auto": kubeconfig when one is named, in-cluster in a pod of Kubernetes, else off.
  std::string mode = "auto";  // or "off", "in-cluster", "kubeconfig"
  std::string kubeconfig;
  std::string context;  // empty: the file's own
  std::string service_account_dir = kServiceAccountFolder;
  PodWatchOptions watch;
};

// Where to ask for pods; empty: nowhere. The credentials are read once, so that a mistake in them
// is told at the start.
absl::StatusOr<LoadAccess> ChooseAccess(const ClusterOptions& options);

class Cluster {
 public:
  // Null when there is none. An API server that does not answer is no error: it is tried again.
  static absl::StatusOr<std::unique_ptr<Cluster>> Start(const ClusterOptions& options,
                                                        const Clock& clock,
                                                        prometheus::Registry& registry);

  // Waits for the first list, so that what comes then finds its pods; for so long at most.
  void AwaitPods(std::chrono::milliseconds patience) { watch_.AwaitList(patience); }

  const PodIndex& pods() const { return index_; }

 private:
  Cluster(LoadAccess load, const PodWatchOptions& options, const Clock& clock,
          prometheus::Registry& registry);

  PodIndex index_;
  KubeMetrics metrics_;
  PodWatch watch_;
};

}  // namespace huatuo
