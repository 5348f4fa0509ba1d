// Who sent a request.
#pragma once

#include <functional>
#include <memory>

#include "apiserver/access/api_tokens.h"
#include "apiserver/access/reload.h"
#include "apiserver/access/role.h"
#include "apiserver/query/http.h"
#include "common/clock.h"

namespace huatuo {

// Role kPublic when nobody is known. Thread-safe.
using Authorizer = std::function<Caller(const Request&)>;

// `Authorization: Bearer <token>`, of the tokens as they are now; without a token, or with a wrong
// one, nobody. `clock` says which ones have expired and must outlive the result.
Authorizer BearerTokens(std::shared_ptr<const Live<ApiTokens>> tokens, const Clock& clock);

// For a server on the loopback address without tokens: everything is allowed. A change must name
// the server by a loopback name, so that a web page whose domain resolves to 127.0.0.1 cannot make
// one.
Authorizer LoopbackOnly();

// Everything is allowed to everybody, which somebody must have asked for.
Authorizer Everybody();

}  // namespace huatuo
