#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "apiserver/kube/access.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr size_t kMaxFile = 1 << 20;

absl::StatusOr<std::string> Variable(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this process writes the environment.
  const char* value = std::getenv(name);
  if (value != nullptr && *value != '\0') return std::string(value);
  return NotFound(fmt::format("{}: not set: is this a pod of Kubernetes?", name));
}

}  // namespace

absl::StatusOr<std::string> ReadAccessFile(const std::string& field, const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFile + 1, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size())) && !file.eof()) {
    return ErrnoStatus(errno == 0 ? EIO : errno, fmt::format("{}: {}", field, path));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.empty()) return InvalidArgument(fmt::format("{}: {}: empty", field, path));
  if (text.size() > kMaxFile) {
    return InvalidArgument(fmt::format("{}: {}: more than {} bytes", field, path, kMaxFile));
  }
  return text;
}

absl::StatusOr<Access> InClusterAccess(const std::string& folder) {
  Access access;
  ASSIGN_OR_RETURN(access.host, Variable("KUBERNETES_SERVICE_HOST"));
  ASSIGN_OR_RETURN(access.port, Variable("KUBERNETES_SERVICE_PORT"));
  access.server_name = access.host;
  ASSIGN_OR_RETURN(access.token, ReadAccessFile("token", folder + "/token"));
  absl::StripAsciiWhitespace(&access.token);
  ASSIGN_OR_RETURN(access.ca_pem, ReadAccessFile("ca.crt", folder + "/ca.crt"));
  return access;
}

}  // namespace huatuo
