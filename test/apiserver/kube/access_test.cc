#include "apiserver/kube/access.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "apiserver/kube/cluster.h"
#include "common/status.h"

namespace huatuo {
namespace {

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "huatuo-kube-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
    return path / name;
  }
  // `text` with the folder cut out of it.
  std::string Relative(std::string text) const {
    for (size_t at = 0; (at = text.find(path.string())) != std::string::npos;) {
      text.erase(at, path.string().size());
      text.insert(at, 1, 'F');
    }
    return text;
  }
  std::filesystem::path path;
};

std::string Show(const absl::StatusOr<Access>& access) {
  if (!access.ok()) return Message(access.status());
  return fmt::format("{}:{}{} as {} ca={} cert={} key={} token={}", access->host, access->port,
                     access->path, access->server_name, access->ca_pem, access->certificate_pem,
                     access->key_pem, access->token);
}

ClusterOptions Options(const std::string& mode, const std::string& folder = "") {
  ClusterOptions options;
  options.mode = mode;
  options.service_account_dir = folder;
  return options;
}

constexpr const char* kConfig = R"(apiVersion: v1
kind: Config
current-context: dev
contexts:
- {name: dev, context: {cluster: kind, user: token}}
- {name: files, context: {cluster: rancher, user: files}}
- {name: data, context: {cluster: kind, user: data}}
- {name: exec, context: {cluster: kind, user: exec}}
- {name: nobody, context: {cluster: kind, user: nobody}}
- {name: half, context: {cluster: kind, user: half}}
- {name: lost, context: {cluster: elsewhere, user: token}}
- {name: plain, context: {cluster: plain, user: token}}
- {name: trusting, context: {cluster: trusting, user: token}}
- {name: proxied, context: {cluster: proxied, user: token}}
clusters:
- {name: kind, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: Q0E=}}
- {name: rancher, cluster: {server: "https://[fd00::1]/k8s/clusters/c-1/", certificate-authority: ca.pem, tls-server-name: kubernetes}}
- {name: plain, cluster: {server: "http://127.0.0.1:8001"}}
- {name: trusting, cluster: {server: "https://a", insecure-skip-tls-verify: true}}
- {name: proxied, cluster: {server: "https://a", proxy-url: "socks5://b"}}
users:
- {name: token, user: {token: secret}}
- {name: files, user: {token: older, tokenFile: token, client-certificate: cert.pem, client-key: key.pem}}
- {name: data, user: {client-certificate-data: Y2VydA==, client-key-data: "%%"}}
- {name: exec, user: {exec: {command: aws}}}
- {name: nobody, user: {}}
- {name: half, user: {client-certificate-data: Y2VydA==}}
)";

TEST_CASE("a kubeconfig's contexts") {
  const Folder folder;
  const std::string path = folder.Write("config", kConfig);
  folder.Write("token", "rotates\n");
  folder.Write("ca.pem", "CA");
  folder.Write("cert.pem", "CERT");
  folder.Write("key.pem", "KEY");
  CHECK(Show(KubeconfigAccess(path, "")) ==
        "127.0.0.1:6443 as 127.0.0.1 ca=CA cert= key= token=secret");
  CHECK(Show(KubeconfigAccess(path, "files")) ==
        "fd00::1:443/k8s/clusters/c-1 as kubernetes ca=CA cert=CERT key=KEY token=rotates");
  folder.Write("token", "rotated\n");
  CHECK(KubeconfigAccess(path, "files")->token == "rotated");
}

TEST_CASE("what a kubeconfig cannot ask for is refused by name") {
  const Folder folder;
  const std::string path = folder.Write("config", kConfig);
  const auto refusal = [&](const std::string& context) {
    return folder.Relative(Show(KubeconfigAccess(path, context)));
  };
  CHECK(refusal("data") == "kubeconfig F/config: users[data].user.client-key-data: not base64");
  CHECK(refusal("exec") == "kubeconfig F/config: users[exec].user.exec: not supported");
  CHECK(refusal("nobody") ==
        "kubeconfig F/config: users[nobody].user: accepted are token, tokenFile, and "
        "client-certificate with client-key");
  CHECK(refusal("half") ==
        "kubeconfig F/config: users[half].user: client-certificate and client-key are needed both");
  CHECK(refusal("lost") == "kubeconfig F/config: clusters: none has the name \"elsewhere\"");
  CHECK(refusal("plain") ==
        "kubeconfig F/config: clusters[plain].cluster.server: \"http://127.0.0.1:8001\": accepted "
        "is https://HOST[:PORT][/PATH]");
  CHECK(refusal("trusting") ==
        "kubeconfig F/config: clusters[trusting].cluster.insecure-skip-tls-verify: not supported");
  CHECK(refusal("proxied") ==
        "kubeconfig F/config: clusters[proxied].cluster.proxy-url: not supported");
  CHECK(refusal("none") == "kubeconfig F/config: contexts: none has the name \"none\"");
  CHECK(refusal("files") ==
        "kubeconfig F/config: clusters[rancher].cluster.certificate-authority: F/ca.pem: No such "
        "file or directory");
  folder.Write("config", "users: [{secret");
  CHECK(refusal("") == "kubeconfig F/config:1: not YAML as it should be");
  folder.Write("config", "- a");
  CHECK(refusal("") == "kubeconfig F/config: not a map");
  folder.Write("config", "a: b");
  CHECK(refusal("") == "kubeconfig F/config: current-context: not set");
  folder.Write("config", "");
  CHECK(refusal("") == "kubeconfig: F/config: empty");
}

TEST_CASE("in a pod: variables and the files of the service account, read anew") {
  const Folder folder;
  unsetenv("KUBERNETES_SERVICE_HOST");
  CHECK(Show(InClusterAccess(folder.path)) ==
        "KUBERNETES_SERVICE_HOST: not set: is this a pod of Kubernetes?");
  CHECK(!ChooseAccess(Options("auto", folder.path)).value());
  setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
  setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  CHECK(folder.Relative(Show(InClusterAccess(folder.path))) ==
        "token: F/token: No such file or directory");
  folder.Write("token", "one\n");
  folder.Write("ca.crt", "CA");
  const auto load = ChooseAccess(Options("auto", folder.path));
  REQUIRE(load.ok());
  CHECK(Show((*load)()) == "10.96.0.1:443 as 10.96.0.1 ca=CA cert= key= token=one");
  folder.Write("token", "two");
  CHECK((*load)()->token == "two");
  CHECK(!ChooseAccess(Options("off")).value());
  CHECK(Message(ChooseAccess(Options("yes")).status()) ==
        "kubernetes: \"yes\": accepted are auto, off, in-cluster and kubeconfig");
  CHECK(Message(ChooseAccess(Options("kubeconfig")).status()) ==
        "kubeconfig: not set: the path of a file is needed");
  unsetenv("KUBERNETES_SERVICE_HOST");
  unsetenv("KUBERNETES_SERVICE_PORT");
}

}  // namespace
}  // namespace huatuo
