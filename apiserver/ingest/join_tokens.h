// Who may open a stream by a token, and for which node.
//
// The file has one token a line, 16 or more bytes, or "sha256:" and the 64 hex digits of its hash,
// followed by the node's name when the token is for that node only; # begins a comment. Immutable
// and thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace huatuo {

class JoinTokens {
 public:
  // No tokens: nobody is asked for one.
  JoinTokens() = default;

  // InvalidArgument naming the line.
  static absl::StatusOr<JoinTokens> Parse(std::string_view text);
  static absl::StatusOr<JoinTokens> Load(const std::string& path);

  // Unauthenticated unless `authorization` is "Bearer <one of the tokens>". Takes the same time
  // for every token.
  absl::Status Check(std::string_view authorization) const;

  // Whether the bearer may speak for `node`: Unauthenticated, PermissionDenied.
  absl::Status Allow(std::string_view authorization, std::string_view node) const;

 private:
  struct Token {
    std::string sha256;
    std::string node;  // empty: any
  };
  const Token* Find(std::string_view authorization) const;

  std::vector<Token> tokens_;
};

}  // namespace huatuo
