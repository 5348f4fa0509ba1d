#include "apiserver/access/api_tokens.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "apiserver/access/read_file.h"
#include "common/document.h"
#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr size_t kHashBytes = 32;
constexpr size_t kLongestName = 64;
constexpr size_t kLongestNamespace = 63;
constexpr std::string_view kRoles = "viewer, operator or admin is accepted";

absl::Status Refuse(const YAML::Node& at, std::string_view key, std::string_view why) {
  return InvalidArgument(fmt::format("line {}: {}: {}", at.Mark().line + 1, key, why));
}

bool IsNamespace(std::string_view name) {
  return !name.empty() && name.size() <= kLongestNamespace &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

absl::Status ReadName(const YAML::Node& value, ApiToken& token) {
  token.caller.name = value.Scalar();
  if (IsTokenName(token.caller.name)) return absl::OkStatus();
  return Refuse(value, "name", "1 to 64 of [A-Za-z0-9._@-] are accepted");
}

absl::Status ReadHash(const YAML::Node& value, ApiToken& token) {
  const std::optional<std::string> bytes = FromHex(value.Scalar());
  // What stands there may be the secret itself: it is not repeated.
  if (!bytes || bytes->size() != kHashBytes) {
    return Refuse(value, "sha256", "64 hex digits are accepted, the SHA-256 of the token");
  }
  token.sha256 = *bytes;
  return absl::OkStatus();
}

absl::Status ReadRole(const YAML::Node& value, ApiToken& token) {
  const std::optional<Role> role = ParseRole(value.Scalar());
  if (!role) return Refuse(value, "role", fmt::format("\"{}\": {}", value.Scalar(), kRoles));
  token.caller.role = *role;
  return absl::OkStatus();
}

absl::Status ReadNamespaces(const YAML::Node& value, ApiToken& token) {
  // An empty list would read like "none" and mean "all".
  if (!value.IsSequence() || value.size() == 0) {
    return Refuse(value, "namespaces", "a list of one or more is accepted; leave it out for all");
  }
  for (const YAML::Node& one : value) {
    if (!one.IsScalar() || !IsNamespace(one.Scalar())) {
      return Refuse(one, "namespaces", "names of Kubernetes namespaces are accepted");
    }
    token.caller.namespaces.push_back(one.Scalar());
  }
  return absl::OkStatus();
}

absl::Status ReadExpiry(const YAML::Node& value, ApiToken& token) {
  const std::optional<int64_t> time = ParseRfc3339(value.Scalar());
  if (!time || *time <= 0) {
    return Refuse(value, "expires", "a time like 2027-01-01T00:00:00Z is accepted");
  }
  token.expires_ns = *time;
  return absl::OkStatus();
}

struct Key {
  std::string_view name;
  absl::Status (*read)(const YAML::Node&, ApiToken&);
  bool scalar = true;
};
constexpr Key kKeys[] = {{"name", ReadName},
                         {"sha256", ReadHash},
                         {"role", ReadRole},
                         {"namespaces", ReadNamespaces, false},
                         {"expires", ReadExpiry}};

absl::Status ReadKey(const YAML::Node& key, const YAML::Node& value, ApiToken& token) {
  const std::string name = key.IsScalar() ? key.Scalar() : "";
  const auto* known = std::find_if(std::begin(kKeys), std::end(kKeys),
                                   [&](const Key& one) { return one.name == name; });
  if (known == std::end(kKeys)) {
    return Refuse(key, name, "accepted are name, sha256, role, namespaces and expires");
  }
  if (known->scalar && !value.IsScalar()) return Refuse(value, name, "a single value is accepted");
  return known->read(value, token);
}

absl::StatusOr<ApiToken> ReadToken(const YAML::Node& entry) {
  ApiToken token;
  if (!entry.IsMap()) return Refuse(entry, "tokens", "each is name, sha256 and role");
  for (const auto& pair : entry) RETURN_IF_ERROR(ReadKey(pair.first, pair.second, token));
  if (token.caller.name.empty()) return Refuse(entry, "name", "missing");
  if (token.sha256.empty()) return Refuse(entry, "sha256", "missing");
  if (token.caller.role == Role::kPublic) {
    return Refuse(entry, "role", fmt::format("missing: {}", kRoles));
  }
  return token;
}

absl::StatusOr<ApiTokens> ReadTokens(const YAML::Node& file) {
  if (!file.IsMap() || file.size() != 1 || !file["tokens"]) {
    return InvalidArgument("a single key is accepted: tokens");
  }
  const YAML::Node list = file["tokens"];
  if (!list.IsSequence() && !list.IsNull()) {
    return Refuse(list, "tokens", "a list is accepted");
  }
  std::vector<ApiToken> tokens;
  std::set<std::string> names;
  for (const YAML::Node& entry : list) {
    ASSIGN_OR_RETURN(ApiToken token, ReadToken(entry));
    if (!names.insert(token.caller.name).second) {
      return Refuse(entry, "name", fmt::format("{}: there is one already", token.caller.name));
    }
    tokens.push_back(std::move(token));
  }
  return ApiTokens(std::move(tokens));
}

}  // namespace

bool IsTokenName(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-' || c == '@';
         });
}

absl::StatusOr<ApiTokens> ApiTokens::Parse(const std::string& text) {
  try {
    return ReadTokens(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    // Of the library's text only the kind of the error: it may quote what stands there.
    return InvalidArgument(fmt::format("line {}: not YAML", error.mark.line + 1));
  }
}

absl::StatusOr<ApiTokens> ApiTokens::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  absl::StatusOr<ApiTokens> tokens = Parse(text);
  if (!tokens.ok()) return Annotate(tokens.status(), path);
  return tokens;
}

std::optional<Caller> ApiTokens::Find(std::string_view token, int64_t wall_ns) const {
  const std::string hash = Sha256(token);
  const ApiToken* found = nullptr;
  for (const ApiToken& one : tokens_) {
    if (ConstantTimeEqual(one.sha256, hash)) found = &one;
  }
  if (found == nullptr || (found->expires_ns != 0 && found->expires_ns <= wall_ns)) {
    return std::nullopt;
  }
  return found->caller;
}

std::string NewToken() { return "huatuo_" + Hex(RandomId()) + Hex(RandomId()); }

std::string TokenEntry(const Caller& caller, const std::string& token, const std::string& expires) {
  std::string entry = fmt::format("  - name: {}\n    sha256: {}\n    role: {}\n", caller.name,
                                  Hex(Sha256(token)), RoleName(caller.role));
  if (caller.scoped()) {
    entry += fmt::format("    namespaces: [{}]\n", fmt::join(caller.namespaces, ", "));
  }
  if (!expires.empty()) entry += fmt::format("    expires: {}\n", expires);
  return entry;
}

}  // namespace huatuo
