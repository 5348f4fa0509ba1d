// Time, injectable.
//
// All times are nanoseconds. Wall time counts from 1970 and may jump; boot time is CLOCK_BOOTTIME,
// the clock of the records that BPF programs write, and never goes backwards.
#pragma once

#include <cstdint>

namespace huatuo {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t WallNs() const = 0;
  virtual int64_t BootNs() const = 0;

  // The wall time at which the boot clock read `boot_ns`, by the present offset of the two clocks.
  int64_t WallOfBoot(int64_t boot_ns) const;

  // This machine's clocks; thread-safe.
  static const Clock& Real();
};

// A clock that stands still until told otherwise. Not thread-safe.
class ManualClock : public Clock {
 public:
  int64_t WallNs() const override { return wall_ns; }
  int64_t BootNs() const override { return boot_ns; }
  void Advance(int64_t ns) {
    wall_ns += ns;
    boot_ns += ns;
  }
  int64_t wall_ns = 0;
  int64_t boot_ns = 0;
};

}  // namespace huatuo
