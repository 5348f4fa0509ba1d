#include "common/clock.h"

#include <ctime>

namespace huatuo {
namespace {

int64_t Now(clockid_t id) {
  timespec time{};
  clock_gettime(id, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

class RealClock : public Clock {
 public:
  int64_t WallNs() const override { return Now(CLOCK_REALTIME); }
  int64_t BootNs() const override { return Now(CLOCK_BOOTTIME); }
};

}  // namespace

int64_t Clock::WallOfBoot(int64_t boot_ns) const {
  // The clocks cannot be read at once, and the thread can lose its CPU in between: then records
  // that are translated one after the other would change places.
  constexpr int64_t kCloseNs = 2'000;
  int64_t best_ns = INT64_MAX;
  int64_t offset_ns = 0;
  for (int i = 0; i < 4 && best_ns > kCloseNs; ++i) {
    const int64_t before_ns = BootNs();
    const int64_t wall_ns = WallNs();
    const int64_t took_ns = BootNs() - before_ns;
    if (took_ns >= best_ns) continue;
    best_ns = took_ns;
    offset_ns = wall_ns - before_ns - took_ns / 2;
  }
  return boot_ns + offset_ns;
}

const Clock& Clock::Real() {
  static const RealClock clock;
  return clock;
}

}  // namespace huatuo
