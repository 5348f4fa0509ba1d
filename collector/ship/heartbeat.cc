#include "collector/ship/heartbeat.h"

#include <fmt/format.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>

#include "collector/ship/crc32c.h"

namespace huatuo {
namespace {

constexpr int64_t kYear2020Ns = 1'577'836'800'000'000'000;

struct Beat {
  int64_t wall_ns = 0;
  int64_t boot_ns = 0;
  std::string boot_id;
};

std::string Text(const Beat& beat) {
  std::string body = fmt::format("{:020} {:020} {:<36.36}", beat.wall_ns, beat.boot_ns,
                                 beat.boot_id.empty() ? "-" : beat.boot_id);
  return fmt::format("{} {:08x}\n", body, Crc32c(body));
}

std::optional<Beat> ReadBeat(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  Beat beat;
  char boot_id[37] = {};
  if (std::sscanf(line.c_str(), "%" SCNd64 " %" SCNd64 " %36s", &beat.wall_ns, &beat.boot_ns,
                  boot_id) != 3) {
    return std::nullopt;
  }
  beat.boot_id = boot_id;
  return Text(beat) == line + "\n" ? std::optional(beat) : std::nullopt;
}

}  // namespace

absl::Status WriteHeartbeat(const std::string& path, const Clock& clock, const std::string& boot_id,
                            Disk& disk) {
  return disk.Overwrite(
      path, Text({.wall_ns = clock.WallNs(), .boot_ns = clock.BootNs(), .boot_id = boot_id}));
}

std::optional<v1::NotObserved> SinceHeartbeat(const std::string& path, const Clock& clock,
                                              const std::string& boot_id) {
  std::optional<Beat> beat = ReadBeat(path);
  if (!beat) {
    return std::nullopt;
  }
  int64_t now = clock.WallNs();
  v1::NotObserved record;
  record.set_cause("stopped");
  record.set_to_ns(now);
  if (beat->boot_id == boot_id && clock.BootNs() >= beat->boot_ns) {
    record.set_from_ns(now - (clock.BootNs() - beat->boot_ns));
  } else if (beat->wall_ns >= kYear2020Ns && beat->wall_ns <= now) {
    record.set_from_ns(beat->wall_ns);
  } else {
    record.set_from_ns(now);
    record.set_cause("stopped, clock changed");
  }
  return record;
}

}  // namespace huatuo
