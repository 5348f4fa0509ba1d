#include "apiserver/doors.h"

#include "apiserver/access/exposure.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Of a file that is one setting; null when it is not set.
template <typename T>
absl::StatusOr<std::shared_ptr<const Live<T>>> Open(Reloads& reloads, const std::string& setting,
                                                    const std::string& path) {
  if (path.empty()) return std::shared_ptr<const Live<T>>();
  auto live = Live<T>::Start(reloads, setting, {path}, [path] { return T::Load(path); });
  if (!live.ok()) return Annotate(live.status(), setting);
  return std::shared_ptr<const Live<T>>(*std::move(live));
}

}  // namespace

absl::StatusOr<Doors> OpenDoors(const Settings& settings, Reloads& reloads) {
  Doors doors;
  ASSIGN_OR_RETURN(doors.api_tokens,
                   Open<ApiTokens>(reloads, "api_tokens_file", settings.api_tokens_file));
  ASSIGN_OR_RETURN(doors.join_tokens,
                   Open<JoinTokens>(reloads, "join_tokens_file", settings.join_tokens_file));
  const CertificatePaths paths = CertificatesOf(settings);
  if (!paths.given()) return doors;
  ASSIGN_OR_RETURN(doors.certificates,
                   Live<Certificates>::Start(reloads, "tls", paths.All(),
                                             [paths] { return LoadCertificates(paths); }));
  return doors;
}

void SetDoors(const Settings& settings, const Doors& doors, const Clock& clock,
              ApiOptions& options) {
  options.server.tls = doors.certificates;
  options.server.max_connections_of_address = settings.connections_per_address;
  options.requests_per_second = settings.requests_per_second;
  options.audit_file = settings.audit_file;
  const bool open = settings.allow_insecure && !IsLoopback(settings.http_listen);
  if (open) options.authorizer = Everybody();
  if (doors.api_tokens) options.authorizer = BearerTokens(doors.api_tokens, clock);
}

void SetDoors(const Settings& settings, const Doors& doors, IngestOptions& options) {
  options.certificates = doors.certificates;
  options.join_tokens = doors.join_tokens;
  options.rates = {settings.node_messages_per_second, settings.node_bytes_per_second};
  options.grpc_memory_bytes = settings.grpc_memory_bytes;
}

}  // namespace huatuo
