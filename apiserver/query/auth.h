// Who may do what.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/query/http.h"

namespace huatuo {

// Each role may do what the ones before it may. kPublic: no token needed.
enum class Role { kPublic, kViewer, kOperator, kAdmin };

struct Token {
  std::string secret;
  Role role = Role::kViewer;
};

// The role of whoever sent the request; kPublic when nobody is known.
using Authorizer = std::function<Role(const Request&)>;

// `Authorization: Bearer <secret>`; secrets are compared in constant time. Without a token, or with
// a wrong one: `anonymous`.
Authorizer BearerTokens(std::vector<Token> tokens, Role anonymous);

// For a server on the loopback address without tokens: everything is allowed. A change must name
// the server by a loopback name, so that a web page whose domain resolves to 127.0.0.1 cannot make
// one.
Authorizer LoopbackOnly();

}  // namespace huatuo
