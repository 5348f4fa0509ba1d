#include "apiserver/kube/cluster.h"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "apiserver/kube/https_client.h"
#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

std::string Mode(const ClusterOptions& options) {
  if (options.mode != "auto") return options.mode;
  if (!options.kubeconfig.empty()) return "kubeconfig";
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this process writes the environment.
  return std::getenv("KUBERNETES_SERVICE_HOST") != nullptr ? "in-cluster" : "off";
}

}  // namespace

absl::StatusOr<LoadAccess> ChooseAccess(const ClusterOptions& options) {
  const std::string mode = Mode(options);
  if (mode == "off") return LoadAccess();
  LoadAccess load;
  if (mode == "in-cluster") {
    load = [folder = options.service_account_dir] { return InClusterAccess(folder); };
  } else if (mode == "kubeconfig") {
    if (options.kubeconfig.empty()) {
      return InvalidArgument("kubeconfig: not set: the path of a file is needed");
    }
    load = [path = options.kubeconfig, context = options.context] {
      return KubeconfigAccess(path, context);
    };
  } else {
    return InvalidArgument(
        fmt::format("kubernetes: \"{}\": accepted are auto, off, in-cluster and kubeconfig", mode));
  }
  ASSIGN_OR_RETURN(const Access access, load());
  LogInfo(fmt::format("kubernetes: {}, pods from {}:{}", mode, access.host, access.port));
  return load;
}

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Start(const ClusterOptions& options,
                                                        const Clock& clock,
                                                        prometheus::Registry& registry) {
  ASSIGN_OR_RETURN(LoadAccess load, ChooseAccess(options));
  if (!load) return std::unique_ptr<Cluster>();
  return std::unique_ptr<Cluster>(new Cluster(std::move(load), options.watch, clock, registry));
}

Cluster::Cluster(LoadAccess load, const PodWatchOptions& options, const Clock& clock,
                 prometheus::Registry& registry)
    : index_(clock),
      metrics_(registry),
      watch_(std::make_unique<HttpsClient>(std::move(load)), index_, metrics_, clock, options) {}

}  // namespace huatuo
