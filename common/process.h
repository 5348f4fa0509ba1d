// What the main of each process is.
#pragma once

#include <sys/resource.h>

#include <csignal>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/log.h"
#include "common/signals.h"
#include "common/status.h"

namespace huatuo {

// As many files and connections as the process may have without asking: the soft limit is kept low
// for programs that select(), and none of ours does.
inline void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Starts the log, loads the settings and runs with SIGINT and SIGTERM blocked. Returns the exit
// code: 0, 1 when `run` failed, 2 when the settings are refused; why is the last line of the log.
template <typename Settings>
int RunProcess(absl::StatusOr<Settings> (*load)(int, char**),
               absl::Status (*run)(const Settings&, const sigset_t&), int argc, char** argv) {
  // What it has to say arrives as a status; its own lines are one for each attempt of any stranger.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  StartLog();
  RaiseFileLimit();
  const sigset_t signals = BlockSignals();
  const absl::StatusOr<Settings> settings = load(argc, argv);
  if (!settings.ok()) {
    LogError(Message(settings.status()));
    return 2;
  }
  const absl::Status status = run(*settings, signals);
  if (status.ok()) return 0;
  LogError(Message(status));
  return 1;
}

}  // namespace huatuo
