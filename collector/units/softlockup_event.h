// What is added to a softlockup_event, and what the kernel's own watchdog says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "collector/instance.h"

namespace huatuo {

// Sets `cpus_stack`: what each CPU is doing; for the CPU of the record, what it did then.
void CompleteSoftlockup(const void* record, Completion& completion);

// A report of the kernel's watchdog.
struct WatchdogReport {
  uint32_t cpu = 0;
  uint32_t tid = 0;
  uint64_t duration_ns = 0;
  std::string comm;
};

// Of one record of /dev/kmsg; nullopt when it is about something else.
std::optional<WatchdogReport> ParseWatchdog(std::string_view record);

}  // namespace huatuo
