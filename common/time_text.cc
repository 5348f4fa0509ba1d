#include <absl/time/time.h>
#include <fmt/compile.h>
#include <fmt/format.h>

#include <chrono>

#include "common/document.h"

namespace huatuo {

std::string Rfc3339(int64_t wall_ns) {
  namespace chrono = std::chrono;
  // Not gmtime_r: in glibc all threads wait for one lock there.
  const chrono::sys_time<chrono::nanoseconds> time{chrono::nanoseconds(wall_ns)};
  const auto day = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date(day);
  const chrono::hh_mm_ss clock(time - day);
  return fmt::format(FMT_COMPILE("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z"),
                     static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
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
