#include "apiserver/query/auth.h"

#include <string_view>
#include <utility>

namespace huatuo {
namespace {

std::string_view HostName(std::string_view host) {
  const size_t colon = host.rfind(':');
  const size_t bracket = host.rfind(']');
  if (colon == std::string_view::npos) return host;
  if (bracket != std::string_view::npos && bracket > colon) return host;
  return host.substr(0, colon);
}

}  // namespace

Authorizer BearerTokens(std::shared_ptr<const Live<ApiTokens>> tokens, const Clock& clock) {
  return [tokens = std::move(tokens), &clock](const Request& request) {
    constexpr std::string_view kScheme = "Bearer ";
    const std::string_view header = request.Header("authorization");
    if (!header.starts_with(kScheme)) return Caller();
    return tokens->Get()->Find(header.substr(kScheme.size()), clock.WallNs()).value_or(Caller());
  };
}

Authorizer LoopbackOnly() {
  return [](const Request& request) {
    if (request.method == "GET") return Caller{.role = Role::kAdmin};
    const std::string_view host = HostName(request.Header("host"));
    const bool loopback = host == "localhost" || host == "127.0.0.1" || host == "[::1]";
    return Caller{.role = loopback ? Role::kAdmin : Role::kViewer};
  };
}

Authorizer Everybody() {
  return [](const Request&) { return Caller{.role = Role::kAdmin}; };
}

}  // namespace huatuo
