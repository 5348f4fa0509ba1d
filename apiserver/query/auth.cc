#include "apiserver/query/auth.h"

#include <algorithm>

#include "common/id.h"

namespace huatuo {
namespace {

constexpr std::string_view kScheme = "Bearer ";

std::string_view HostName(std::string_view host) {
  const size_t colon = host.rfind(':');
  const size_t bracket = host.rfind(']');
  if (colon == std::string_view::npos) return host;
  if (bracket != std::string_view::npos && bracket > colon) return host;
  return host.substr(0, colon);
}

}  // namespace

Authorizer BearerTokens(std::vector<Token> tokens, Role anonymous) {
  return [tokens = std::move(tokens), anonymous](const Request& request) {
    const std::string_view header = request.Header("authorization");
    if (!header.starts_with(kScheme)) return anonymous;
    Role role = anonymous;
    // All are compared, so that the time does not tell which one was nearly right.
    for (const Token& token : tokens) {
      const bool equal = ConstantTimeEqual(token.secret, header.substr(kScheme.size()));
      if (equal) role = std::max(role, token.role);
    }
    return role;
  };
}

Authorizer LoopbackOnly() {
  return [](const Request& request) {
    if (request.method == "GET") return Role::kAdmin;
    const std::string_view host = HostName(request.Header("host"));
    const bool loopback = host == "localhost" || host == "127.0.0.1" || host == "[::1]";
    return loopback ? Role::kAdmin : Role::kViewer;
  };
}

}  // namespace huatuo
