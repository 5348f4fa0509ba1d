#include "apiserver/ingest/join_tokens.h"

#include <fmt/format.h>

#include <optional>
#include <sstream>
#include <utility>

#include "apiserver/access/read_file.h"
#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr size_t kShortest = 16;
constexpr std::string_view kHashed = "sha256:";

absl::Status ReadToken(const std::string& text, std::string& sha256) {
  if (text.starts_with(kHashed)) {
    const std::optional<std::string> hash = FromHex(text.substr(kHashed.size()));
    if (!hash || hash->size() != 32) return InvalidArgument("sha256: 64 hex digits are accepted");
    sha256 = *hash;
    return absl::OkStatus();
  }
  if (text.size() < kShortest) {
    return InvalidArgument(fmt::format("a token of less than {} bytes", kShortest));
  }
  sha256 = Sha256(text);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<JoinTokens> JoinTokens::Parse(std::string_view text) {
  JoinTokens parsed;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    Token token;
    std::string text;
    if (!(words >> text)) continue;
    std::string surplus;
    if (words >> token.node && words >> surplus) {
      return InvalidArgument(fmt::format("line {}: more than a token and a node", number));
    }
    RETURN_IF_ERROR(Annotate(ReadToken(text, token.sha256), fmt::format("line {}", number)));
    parsed.tokens_.push_back(std::move(token));
  }
  // An empty file would let everybody in.
  if (parsed.tokens_.empty()) return InvalidArgument("no token");
  return parsed;
}

absl::StatusOr<JoinTokens> JoinTokens::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  absl::StatusOr<JoinTokens> parsed = Parse(text);
  if (!parsed.ok()) return Annotate(parsed.status(), path);
  return parsed;
}

const JoinTokens::Token* JoinTokens::Find(std::string_view authorization) const {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) return nullptr;
  authorization.remove_prefix(kScheme.size());
  const Token* found = nullptr;
  const std::string hash = Sha256(authorization);
  for (const Token& token : tokens_) {
    if (ConstantTimeEqual(token.sha256, hash)) found = &token;
  }
  return found;
}

absl::Status JoinTokens::Check(std::string_view authorization) const {
  if (tokens_.empty() || Find(authorization) != nullptr) return absl::OkStatus();
  return absl::UnauthenticatedError("authorization: not a join token");
}

absl::Status JoinTokens::Allow(std::string_view authorization, std::string_view node) const {
  RETURN_IF_ERROR(Check(authorization));
  if (tokens_.empty()) return absl::OkStatus();
  const Token& token = *Find(authorization);
  if (token.node.empty() || token.node == node) return absl::OkStatus();
  return absl::PermissionDeniedError("node: the join token is for another one");
}

}  // namespace huatuo
