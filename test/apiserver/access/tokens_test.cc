#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "apiserver/access/api_tokens.h"
#include "common/id.h"

namespace huatuo {
namespace {

constexpr int64_t kNow = 1'795'000'000'000'000'000;

std::string Entry(const std::string& name, const std::string& token, const std::string& more) {
  return fmt::format("  - {{name: {}, sha256: {}, {}}}\n", name, Hex(Sha256(token)), more);
}

std::string Refusal(const std::string& text) {
  return std::string(ApiTokens::Parse(text).status().message());
}

TEST_CASE("API tokens: who is found by which") {
  const auto tokens = ApiTokens::Parse(
      "tokens:\n" + Entry("a", "see", "role: viewer") + Entry("b", "do", "role: operator") +
      Entry("c", "shop", "role: admin, namespaces: [shop, billing]") +
      Entry("d", "late", "role: admin, expires: 2026-11-18T11:06:40Z") +
      Entry("e", "soon", "role: admin, expires: 2099-01-01T00:00:00Z"));
  REQUIRE(tokens.status().message() == "");
  const auto who = [&](std::string_view token) {
    const auto caller = tokens->Find(token, kNow);
    return caller ? fmt::format("{} {} {}", caller->name, RoleName(caller->role),
                                caller->namespaces.size())
                  : "nobody";
  };
  CHECK(who("see") == "a viewer 0");
  CHECK(who("do") == "b operator 0");
  CHECK(who("shop") == "c admin 2");
  CHECK(who("late") == "nobody");
  CHECK(tokens->Find("late", kNow - 1'000'000'000).has_value());
  CHECK(who("soon") == "e admin 0");
  for (const char* wrong : {"", "se", "seee", "SEE", "a"}) CHECK(who(wrong) == "nobody");
  CHECK(who(Hex(Sha256("see"))) == "nobody");
  const Caller c = *tokens->Find("shop", kNow);
  CHECK(c.Sees("shop"));
  CHECK_FALSE(c.Sees(""));
  CHECK_FALSE(c.Sees("sho"));
  CHECK(Caller().Sees("anything"));
}

TEST_CASE("API tokens: a file without any lets nobody in") {
  for (const char* text : {"tokens:\n", "tokens: []\n"}) {
    const auto tokens = ApiTokens::Parse(text);
    REQUIRE(tokens.ok());
    CHECK_FALSE(tokens->Find("", kNow));
  }
}

TEST_CASE("API tokens: what is refused names line and key, and shows no secret") {
  const std::string hash = Hex(Sha256("x"));
  CHECK(Refusal("") == "a single key is accepted: tokens");
  CHECK(Refusal("viewer secret\n") == "a single key is accepted: tokens");
  CHECK(Refusal("tokens: 1\n") == "line 1: tokens: a list is accepted");
  CHECK(Refusal("tokens:\n  - name: a\n    secret: s3cr3t\n") ==
        "line 3: secret: accepted are name, sha256, role, namespaces and expires");
  CHECK(Refusal("tokens:\n  - name: a\n    sha256: s3cr3t\n") ==
        "line 3: sha256: 64 hex digits are accepted, the SHA-256 of the token");
  CHECK(Refusal("tokens:\n  - name: a b\n") ==
        "line 2: name: 1 to 64 of [A-Za-z0-9._@-] are accepted");
  CHECK(Refusal("tokens:\n  - name: a\n    role: root\n") ==
        "line 3: role: \"root\": viewer, operator or admin is accepted");
  CHECK(Refusal("tokens:\n  - name: a\n    role: [admin]\n") ==
        "line 3: role: a single value is accepted");
  CHECK(Refusal("tokens:\n  - {name: a, role: viewer}\n") == "line 2: sha256: missing");
  CHECK(Refusal("tokens:\n  - {name: a, sha256: " + hash + "}\n") ==
        "line 2: role: missing: viewer, operator or admin is accepted");
  CHECK(Refusal("tokens:\n  - {role: viewer, sha256: " + hash + "}\n") == "line 2: name: missing");
  CHECK(Refusal("tokens:\n" + Entry("a", "x", "role: viewer, namespaces: []")) ==
        "line 2: namespaces: a list of one or more is accepted; leave it out for all");
  CHECK(Refusal("tokens:\n" + Entry("a", "x", "role: viewer, namespaces: [A]")) ==
        "line 2: namespaces: names of Kubernetes namespaces are accepted");
  CHECK(Refusal("tokens:\n" + Entry("a", "x", "role: viewer, expires: soon")) ==
        "line 2: expires: a time like 2027-01-01T00:00:00Z is accepted");
  CHECK(Refusal("tokens:\n" + Entry("a", "x", "role: viewer") + Entry("a", "y", "role: viewer")) ==
        "line 3: name: a: there is one already");
  CHECK(Refusal("tokens: [s3cr3t\n").find("not YAML") != std::string::npos);
  CHECK(Refusal("tokens: [s3cr3t\n").find("s3cr3t") == std::string::npos);
}

TEST_CASE("API tokens: new ones differ, and their entries are accepted") {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(NewToken());
  CHECK(seen.size() == 100);
  const std::string token = NewToken();
  CHECK(token.size() == 7 + 64);
  const Caller caller{"alice", Role::kOperator, {"shop", "billing"}};
  const std::string entry = TokenEntry(caller, token, "2099-01-01T00:00:00Z");
  CHECK(entry.find(token) == std::string::npos);
  const auto tokens = ApiTokens::Parse("tokens:\n" + entry);
  REQUIRE(tokens.ok());
  const auto found = tokens->Find(token, kNow);
  REQUIRE(found);
  CHECK(found->name == "alice");
  CHECK(found->role == Role::kOperator);
  CHECK(found->namespaces == caller.namespaces);
}

}  // namespace
}  // namespace huatuo
