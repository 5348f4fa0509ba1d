#include "apiserver/ingest/join_tokens.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr size_t kShortest = 16;

}  // namespace

absl::StatusOr<JoinTokens> JoinTokens::Parse(std::string_view text) {
  JoinTokens parsed;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    Token token;
    if (!(words >> token.text)) continue;
    std::string surplus;
    if (words >> token.node && words >> surplus) {
      return InvalidArgument(fmt::format("line {}: more than a token and a node", number));
    }
    if (token.text.size() < kShortest) {
      return InvalidArgument(
          fmt::format("line {}: a token of less than {} bytes", number, kShortest));
    }
    parsed.tokens_.push_back(std::move(token));
  }
  // An empty file would let everybody in.
  if (parsed.tokens_.empty()) return InvalidArgument("no token");
  return parsed;
}

absl::StatusOr<JoinTokens> JoinTokens::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadSecret(path));
  absl::StatusOr<JoinTokens> parsed = Parse(text);
  if (!parsed.ok()) return Annotate(parsed.status(), path);
  return parsed;
}

const JoinTokens::Token* JoinTokens::Find(std::string_view authorization) const {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) return nullptr;
  authorization.remove_prefix(kScheme.size());
  const Token* found = nullptr;
  for (const Token& token : tokens_) {
    if (ConstantTimeEqual(token.text, authorization)) found = &token;
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

absl::StatusOr<std::string> ReadSecret(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return ErrnoStatus(errno, path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace huatuo
