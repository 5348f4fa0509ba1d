#include "collector/settings.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "collector/catalog.h"
#include "collector/parameters.h"
#include "collector/ship/targets.h"
#include "common/config.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

std::vector<Option> Table(Settings& s) {
  return {
      {"node", "name of this node; default: the host name", &s.node},
      {"region", "label of all its series and events", &s.region},
      {"root", "folder that holds proc/ and sys/ of the node; default: this machine's", &s.root},
      {"apiserver",
       "host:port of the apiserver's gRPC; several, separated by commas or repeated: the next is "
       "tried when one is away. Default: 127.0.0.1:12741",
       &s.apiserver},
      {"tls.enabled", "true: TLS to the apiserver", &s.tls},
      {"tls.ca_file", "PEM of the authority that signed the apiserver's certificate",
       &s.tls_ca_file},
      {"tls.certificate_file", "PEM of this node's certificate", &s.tls_certificate_file},
      {"tls.key_file", "PEM of its key", &s.tls_key_file},
      {"tls.server_name",
       "name that the apiserver's certificate must have; default: the host of apiserver",
       &s.tls_server_name},
      {"token_file", "file with the join token", &s.token_file},
      {"spool_dir", "folder of the spool", &s.spool_folder},
      {"spool_limit_bytes", "size that the spool may reach", &s.spool_limit_bytes, 1 << 20, 1e12},
      {"profile_spool_limit_bytes", "size that the spool of the profiles, in it, may reach",
       &s.profile_spool_limit_bytes, 8 << 20, 1e12},
      {"metrics_interval_seconds", "time between two rounds of metrics",
       &s.metrics_interval_seconds, 1, 3600},
      {"metrics.include",
       "FAMILY or FAMILY{LABEL=VALUE}, regular expressions: series that are sent although they are "
       "on request or excluded; may be repeated",
       &s.metrics.include},
      {"metrics.exclude",
       "in the same form: series that are not sent; may be repeated. Always excluded are "
       "partitions, the host's side of containers' devices, and of containers some events of "
       "memory, shares of user and system time, and stopped tasks",
       &s.metrics.exclude},
      {"metrics.max_series_per_family", "series of one name; those beyond are told as ~other",
       &s.max_series_per_family, 1, 20000},
      {"budget_percent", "share of the node's CPU that collector and BPF may take",
       &s.budget_percent, 0.01, 100},
      {"budget_hold_seconds", "time that a unit over the budget stays detached at least",
       &s.budget_hold_seconds, 1, 3600},
      {"budget_interval_seconds",
       "time of one measurement of the overhead; the kernel measures BPF programs in one second of "
       "it",
       &s.budget_interval_seconds, 2, 600},
      {"ring_bytes", "size of the ring buffer, a power of two", &s.ring_bytes, 65536, 1 << 30},
      {"fold_seconds", "events that are the same within such a time become one; 0: none do",
       &s.fold_seconds, 0, 60},
      {"off", "units that are not opened; may be repeated", &s.off},
      {"only", "the only units that are opened; may be repeated", &s.only},
      {"set",
       "value of a parameter, UNIT.PARAMETER=NUMBER, or filter, UNIT.filter=TEXT, at the start; "
       "may be repeated",
       &s.set},
      {"record", "file to which everything that was seen is written", &s.record},
      {"replay", "recording to feed instead of observing this machine", &s.replay},
  };
}

absl::Status CheckUnits(std::string_view key, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const bool known =
        std::ranges::any_of(AllUnits(), [&name](const Unit* unit) { return unit->name == name; });
    if (!known) return InvalidArgument(fmt::format("{}: \"{}\": no such unit", key, name));
  }
  return absl::OkStatus();
}

absl::Status Check(const Settings& s) {
  if ((s.ring_bytes & (s.ring_bytes - 1)) != 0) {
    return InvalidArgument(fmt::format("ring_bytes: {}: a power of two is accepted", s.ring_bytes));
  }
  for (const std::string& text : s.set) {
    RETURN_IF_ERROR(Annotate(ParseAssignment(AllUnits(), text).status(), "set"));
  }
  RETURN_IF_ERROR(CheckUnits("off", s.off));
  return CheckUnits("only", s.only);
}

void ApplyOnly(Settings& s) {
  if (s.only.empty()) return;
  for (const Unit* unit : AllUnits()) {
    if (std::ranges::find(s.only, unit->name) == s.only.end()) s.off.emplace_back(unit->name);
  }
}

}  // namespace

absl::StatusOr<Settings> LoadSettings(int argc, char** argv) {
  Settings settings;
  RETURN_IF_ERROR(LoadConfig(Table(settings), argc, argv));
  RETURN_IF_ERROR(Check(settings));
  if (settings.apiserver.empty()) settings.apiserver = {"127.0.0.1:12741"};
  ASSIGN_OR_RETURN(settings.apiserver, ReadTargets(settings.apiserver));
  ApplyOnly(settings);
  if (settings.node.empty()) {
    char name[256] = {};
    if (gethostname(name, sizeof(name) - 1) != 0) return ErrnoStatus(errno, "read the host name");
    settings.node = name;
  }
  return settings;
}

}  // namespace huatuo
