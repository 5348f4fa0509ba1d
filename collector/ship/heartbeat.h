// When a process last watched, for the one that comes after it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "collector/ship/disk.h"
#include "common/clock.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// Writes the time of now, and the boot it belongs to, to the file `path`.
absl::Status WriteHeartbeat(const std::string& path, const Clock& clock, const std::string& boot_id,
                            Disk& disk);

// The time since the last heartbeat, cause "stopped"; nullopt when there was none. Within one boot
// the length is that of the boot clock, so that a wall clock that was set does not matter. Where
// the wall clock is all there is and makes no sense (it went backwards, or is before 2020), the
// range is empty and the cause "stopped, clock changed".
std::optional<v1::NotObserved> SinceHeartbeat(const std::string& path, const Clock& clock,
                                              const std::string& boot_id);

}  // namespace huatuo
