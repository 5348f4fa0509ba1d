#include "apiserver/access/token_command.h"

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/access/api_tokens.h"
#include "common/config.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

struct Wanted {
  std::string name;
  std::string role;
  std::vector<std::string> namespaces;
  std::string expires;
};

std::vector<Option> Options(Wanted& wanted) {
  return {
      {"name", "who it is for: 1 to 64 of [A-Za-z0-9._@-]; the audit log says it", &wanted.name},
      {"role",
       "viewer reads, operator also changes parameters and runs tasks, admin also "
       "changes configuration and known issues",
       &wanted.role},
      {"namespace", "sees this Kubernetes namespace alone; repeat for several; default: all",
       &wanted.namespaces},
      {"expires", "when it ends, like 2027-01-01T00:00:00Z; default: never", &wanted.expires}};
}

absl::StatusOr<Wanted> Read(int argc, char** argv) {
  if (argc < 3 || std::string_view(argv[2]) != "create") {
    return InvalidArgument("token: accepted is `token create`");
  }
  Wanted wanted;
  RETURN_IF_ERROR(LoadConfig(Options(wanted), argc - 2, argv + 2));
  if (!IsTokenName(wanted.name))
    return InvalidArgument("--name: needed, 1 to 64 of [A-Za-z0-9._@-]");
  if (!ParseRole(wanted.role)) return InvalidArgument("--role: needed: viewer, operator or admin");
  return wanted;
}

}  // namespace

bool IsTokenCommand(int argc, char** argv) {
  return argc > 1 && std::string_view(argv[1]) == "token";
}

int RunTokenCommand(int argc, char** argv) {
  const absl::StatusOr<Wanted> wanted = Read(argc, argv);
  const std::string token = NewToken();
  absl::Status status = wanted.status();
  std::string entry;
  if (status.ok()) {
    const Caller caller{wanted->name, *ParseRole(wanted->role), wanted->namespaces};
    entry = TokenEntry(caller, token, wanted->expires);
    // The rest of the arguments is checked by whoever will read the file.
    status = ApiTokens::Parse("tokens:\n" + entry).status();
  }
  if (!status.ok()) {
    fmt::print(stderr, "{}\n", Message(status));
    return 2;
  }
  fmt::print("token, shown only now:\n{}\n\nentry for the list `tokens:` of api_tokens_file:\n{}",
             token, entry);
  return 0;
}

}  // namespace huatuo
