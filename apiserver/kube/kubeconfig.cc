#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <boost/url/parse.hpp>
#include <filesystem>
#include <initializer_list>

#include "apiserver/kube/access.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// One entry of the file: `what` says which, for messages.
struct Entry {
  YAML::Node node;
  std::string what;
  std::string folder;  // that relative paths start from
};

std::string Text(const Entry& entry, const char* key) {
  const YAML::Node value = entry.node[key];
  return value && value.IsScalar() ? value.Scalar() : "";
}

absl::Status Refuse(const Entry& entry, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const YAML::Node value = entry.node[key];
    if (!value || (value.IsScalar() && (value.Scalar() == "false" || value.Scalar().empty()))) {
      continue;
    }
    return InvalidArgument(fmt::format("{}.{}: not supported", entry.what, key));
  }
  return absl::OkStatus();
}

// The entry `name` of a list such as `users: [{name: …, user: {…}}]`.
absl::StatusOr<Entry> Find(const YAML::Node& file, const std::string& folder, const char* list,
                           const char* kind, const std::string& name) {
  for (const YAML::Node& item : file[list]) {
    if (!item.IsMap() || !item["name"] || item["name"].Scalar() != name) continue;
    Entry entry{
        .node = item[kind], .what = fmt::format("{}[{}].{}", list, name, kind), .folder = folder};
    if (entry.node && entry.node.IsMap()) return entry;
    return InvalidArgument(fmt::format("{}: not a map", entry.what));
  }
  return InvalidArgument(fmt::format("{}: none has the name \"{}\"", list, name));
}

// The value of `key`, a file, or of `key`-data, which wins; empty when there is neither.
absl::StatusOr<std::string> Pem(const Entry& entry, const std::string& key) {
  const std::string data = Text(entry, (key + "-data").c_str());
  const std::string path = Text(entry, key.c_str());
  if (data.empty() && path.empty()) return "";
  const std::string field = fmt::format("{}.{}", entry.what, key);
  if (data.empty()) {
    return ReadAccessFile(field, std::filesystem::path(entry.folder) / path);
  }
  std::string pem;
  if (absl::Base64Unescape({data.data(), data.size()}, &pem)) return pem;
  return InvalidArgument(fmt::format("{}-data: not base64", field));
}

absl::Status ReadServer(const Entry& cluster, Access& access) {
  const std::string server = Text(cluster, "server");
  const auto url = boost::urls::parse_uri(server);
  const bool good = url.has_value() && url->scheme_id() == boost::urls::scheme::https &&
                    !url->encoded_host_address().empty() && !url->has_userinfo() &&
                    !url->has_query() && !url->has_fragment();
  if (!good) {
    return InvalidArgument(fmt::format("{}.server: \"{}\": accepted is https://HOST[:PORT][/PATH]",
                                       cluster.what, url && url->has_userinfo() ? "…" : server));
  }
  access.host = url->host_address();
  access.port = url->has_port() ? std::string(url->port()) : "443";
  access.path = std::string(url->encoded_path());
  while (access.path.ends_with('/')) access.path.pop_back();
  access.server_name = Text(cluster, "tls-server-name");
  if (access.server_name.empty()) access.server_name = access.host;
  return absl::OkStatus();
}

absl::Status ReadCluster(const Entry& cluster, Access& access) {
  RETURN_IF_ERROR(Refuse(cluster, {"insecure-skip-tls-verify", "proxy-url"}));
  RETURN_IF_ERROR(ReadServer(cluster, access));
  ASSIGN_OR_RETURN(access.ca_pem, Pem(cluster, "certificate-authority"));
  return absl::OkStatus();
}

absl::Status ReadUser(const Entry& user, Access& access) {
  RETURN_IF_ERROR(Refuse(user, {"exec", "auth-provider", "username", "password", "as", "as-uid",
                                "as-groups", "as-user-extra"}));
  access.token = Text(user, "token");
  const std::string file = Text(user, "tokenFile");
  // As kubectl has it: the file, which can rotate, wins.
  if (!file.empty()) {
    ASSIGN_OR_RETURN(access.token, ReadAccessFile(user.what + ".tokenFile",
                                                  std::filesystem::path(user.folder) / file));
  }
  absl::StripAsciiWhitespace(&access.token);
  ASSIGN_OR_RETURN(access.certificate_pem, Pem(user, "client-certificate"));
  ASSIGN_OR_RETURN(access.key_pem, Pem(user, "client-key"));
  if (access.certificate_pem.empty() != access.key_pem.empty()) {
    return InvalidArgument(
        fmt::format("{}: client-certificate and client-key are needed both", user.what));
  }
  if (access.token.empty() && access.key_pem.empty()) {
    return InvalidArgument(fmt::format(
        "{}: accepted are token, tokenFile, and client-certificate with client-key", user.what));
  }
  return absl::OkStatus();
}

absl::StatusOr<Access> Read(const YAML::Node& file, const std::string& folder,
                            std::string context) {
  if (!file.IsMap()) return InvalidArgument("not a map");
  if (context.empty() && file["current-context"]) context = file["current-context"].Scalar();
  if (context.empty()) return InvalidArgument("current-context: not set");
  ASSIGN_OR_RETURN(const Entry chosen, Find(file, folder, "contexts", "context", context));
  ASSIGN_OR_RETURN(const Entry cluster,
                   Find(file, folder, "clusters", "cluster", Text(chosen, "cluster")));
  ASSIGN_OR_RETURN(const Entry user, Find(file, folder, "users", "user", Text(chosen, "user")));
  Access access;
  RETURN_IF_ERROR(ReadCluster(cluster, access));
  RETURN_IF_ERROR(ReadUser(user, access));
  return access;
}

}  // namespace

absl::StatusOr<Access> KubeconfigAccess(const std::string& path, const std::string& context) {
  ASSIGN_OR_RETURN(const std::string text, ReadAccessFile("kubeconfig", path));
  try {
    absl::StatusOr<Access> access =
        Read(YAML::Load(text), std::filesystem::path(path).parent_path(), context);
    if (access.ok()) return access;
    return Annotate(access.status(), "kubeconfig " + path);
  } catch (const YAML::Exception& error) {
    // Its message would quote the text, which may hold a secret.
    return InvalidArgument(
        fmt::format("kubeconfig {}:{}: not YAML as it should be", path, error.mark.line + 1));
  }
}

}  // namespace huatuo
