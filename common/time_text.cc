#include <absl/time/time.h>
#include <fmt/format.h>

#include <ctime>

#include "common/document.h"

namespace huatuo {

std::string Rfc3339(int64_t wall_ns) {
  int64_t seconds = wall_ns / 1'000'000'000;
  int64_t rest = wall_ns % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  const time_t time = seconds;
  tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     rest);
}

std::optional<int64_t> ParseRfc3339(std::string_view text) {
  absl::Time time;
  std::string error;
  const std::string copy(text);
  if (copy.size() < 20 || copy.size() > 40) return std::nullopt;
  if (!absl::ParseTime(absl::RFC3339_full, copy, &time, &error)) return std::nullopt;
  // Outside of what 64-bit nanoseconds can say (1677 to 2262) ToUnixNanos saturates.
  if (time < absl::FromUnixSeconds(-9'000'000'000) || time > absl::FromUnixSeconds(9'000'000'000)) {
    return std::nullopt;
  }
  return absl::ToUnixNanos(time);
}

}  // namespace huatuo
