#include "apiserver/access/exposure.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

struct Need {
  std::string_view key;
  const std::string& listen;
  bool tls;
  bool who;
  std::string_view how;  // to know who somebody is
};

absl::Status Check(const Need& need) {
  // What is no address at all is refused by who listens.
  const bool address = need.listen.find(':') != std::string::npos;
  if (!address || IsLoopback(need.listen)) return absl::OkStatus();
  std::string lacks;
  if (!need.tls) lacks = "without TLS: set tls.certificate_file and tls.key_file";
  if (!need.who) {
    if (!lacks.empty()) lacks += ", and ";
    lacks += need.how;
  }
  if (lacks.empty()) return absl::OkStatus();
  return InvalidArgument(
      fmt::format("{} {}: reached from other machines {}; or listen on 127.0.0.1, or set "
                  "allow_insecure",
                  need.key, need.listen, lacks));
}

}  // namespace

bool IsLoopback(const std::string& listen) {
  if (listen.starts_with("unix:")) return true;
  std::string host = listen.substr(0, listen.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") return true;
  in_addr v4 = {};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6 = {};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::Status CheckExposure(const Exposure& e) {
  if (e.allow_insecure) return absl::OkStatus();
  RETURN_IF_ERROR(Check({"http_listen", e.http_listen, e.tls, e.people,
                         "without asking who somebody is: set api_tokens_file"}));
  return Check({"grpc_listen", e.grpc_listen, e.tls, e.nodes,
                "without asking which node it is: set tls.client_ca_file or join_tokens_file"});
}

}  // namespace huatuo
