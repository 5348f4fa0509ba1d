// The tokens that people and programs show to the REST API.
//
// The file is YAML and holds no secret, only the SHA-256 of each:
//
//   tokens:
//     - name: alice               # 1 to 64 of [A-Za-z0-9._@-], unique; the audit log's "who"
//       sha256: 9f86d0…           # 64 hex digits, of the whole text of the token
//       role: operator            # viewer, operator or admin
//       namespaces: [shop]        # optional: sees these Kubernetes namespaces alone
//       expires: 2027-01-01T00:00:00Z   # optional
//
// A plain hash is right here, unlike for passwords: a token is 256 random bits, which nobody can
// try through, so that a slow or salted hash would add nothing but time to each request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/access/role.h"

namespace huatuo {

struct ApiToken {
  Caller caller;
  std::string sha256;      // 32 bytes
  int64_t expires_ns = 0;  // 0: never
};

// Immutable and thread-safe.
class ApiTokens {
 public:
  ApiTokens() = default;
  explicit ApiTokens(std::vector<ApiToken> tokens) : tokens_(std::move(tokens)) {}

  // InvalidArgument naming line and key. A file without a token is accepted: it lets nobody in.
  static absl::StatusOr<ApiTokens> Parse(const std::string& text);
  static absl::StatusOr<ApiTokens> Load(const std::string& path);

  // Who has this token; nullopt when nobody has, or not any more. Takes the same time for each.
  std::optional<Caller> Find(std::string_view token, int64_t wall_ns) const;

  const std::vector<ApiToken>& tokens() const { return tokens_; }

 private:
  std::vector<ApiToken> tokens_;
};

// Whether it can be the name of a token.
bool IsTokenName(std::string_view name);

// A new token, "huatuo_" and 64 hex digits of the kernel's randomness.
std::string NewToken();

// The entry of the file for it; `expires`: as given, or empty.
std::string TokenEntry(const Caller& caller, const std::string& token, const std::string& expires);

}  // namespace huatuo
