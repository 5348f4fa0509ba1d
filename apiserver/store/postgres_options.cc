#include "apiserver/store/postgres_options.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <fstream>
#include <map>
#include <memory>

#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

using Settings = std::map<std::string, std::string>;

// Of the parser's message, which names the offending word, nothing is told when a password might be
// that word.
absl::StatusOr<Settings> Parse(const std::string& url) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed(
      PQconninfoParse(url.c_str(), &error), &PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> message(error, &PQfreemem);
  if (parsed == nullptr) {
    return InvalidArgument(
        "postgres.url: accepted is postgresql://user@host:port/database?key=value or key=value "
        "words of libpq");
  }
  Settings settings;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) settings[option->keyword] = option->val;
  }
  return settings;
}

absl::StatusOr<std::string> ReadPassword(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || line.empty()) {
    return NotFound(fmt::format("postgres.password_file {}: no line in it", path));
  }
  return line;
}

// A peer that is gone is noticed within some 10 seconds, whether we wait for it or it for us.
void AddLimits(std::chrono::milliseconds timeout, Settings& settings) {
  const Settings ours = {
      {"connect_timeout", "5"},      {"keepalives_idle", "5"},
      {"keepalives_interval", "2"},  {"keepalives_count", "3"},
      {"tcp_user_timeout", "10000"}, {"fallback_application_name", PostgresProcessName()},
      {"client_encoding", "UTF8"}};
  settings.insert(ours.begin(), ours.end());
  // What the url says comes last and wins.
  settings["options"] = fmt::format(
      "-c statement_timeout={0} -c idle_in_transaction_session_timeout={0} -c lock_timeout={1} "
      "-c client_min_messages=error {2}",
      timeout.count(), timeout.count() / 2, settings["options"]);
}

}  // namespace

const std::string& PostgresProcessName() {
  static const std::string name = "huatuo-apiserver-" + Hex(RandomId()).substr(0, 12);
  return name;
}

absl::StatusOr<std::string> ConnectString(const PostgresOptions& options) {
  ASSIGN_OR_RETURN(Settings settings, Parse(options.url));
  if (settings.contains("password")) {
    return InvalidArgument(
        "postgres.url: holds a password: accepted are postgres.password_file, PGPASSFILE and "
        "PGPASSWORD");
  }
  if (!options.password_file.empty()) {
    ASSIGN_OR_RETURN(settings["password"], ReadPassword(options.password_file));
  }
  AddLimits(options.timeout, settings);
  std::string out;
  for (const auto& [key, value] : settings) {
    out += key + "='";
    for (const char c : value) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
    out += "' ";
  }
  return out;
}

}  // namespace huatuo
