// Where the API server of Kubernetes is and as whom we speak to it.
//
// Both loaders read all files anew on each call: tokens and certificates rotate. They are pure but
// for that, and thread-safe. Errors name the field or variable and say what is accepted; no message
// holds a secret.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace huatuo {

struct Access {
  std::string host;
  std::string port;
  std::string path;         // before "/api/v1", without a slash at its end
  std::string server_name;  // that the server's certificate must be for
  std::string ca_pem;       // empty: those that this machine trusts
  std::string certificate_pem;
  std::string key_pem;
  std::string token;
};

using LoadAccess = std::function<absl::StatusOr<Access>()>;

// Of the pod that this process runs in: KUBERNETES_SERVICE_HOST and _PORT; the files `token` and
// `ca.crt` in `folder`.
absl::StatusOr<Access> InClusterAccess(const std::string& folder);
inline constexpr const char* kServiceAccountFolder =
    "/var/run/secrets/kubernetes.io/serviceaccount";

// Of a kubeconfig file and one of its contexts; empty: its current-context. What this program
// cannot do (exec, auth-provider, insecure-skip-tls-verify, proxies, ...) is refused by name.
absl::StatusOr<Access> KubeconfigAccess(const std::string& path, const std::string& context);

// A file of at most 1 MiB that must have something in it.
absl::StatusOr<std::string> ReadAccessFile(const std::string& field, const std::string& path);

}  // namespace huatuo
