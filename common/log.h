// One line per fact to standard error: `2026-11-21T01:23:45.678Z info  spool: opened ...`.
//
// Thread-safe. The text never holds a secret. Behind this header so that spdlog is compiled once.
#pragma once

#include <string_view>

namespace huatuo {

// Call first in main: makes the log what is said above, also for who uses spdlog itself.
void StartLog();

void LogInfo(std::string_view message);
void LogWarning(std::string_view message);
void LogError(std::string_view message);

}  // namespace huatuo
