#include "collector/kernel/cpu_ticks.h"

#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <set>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {

std::vector<uint32_t> ParseCpuList(std::string_view text) {
  constexpr uint32_t kMaxCpu = 8191;  // the largest NR_CPUS that the kernel can be built with
  std::vector<uint32_t> cpus;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    uint32_t first = 0;
    auto [next, error] = std::from_chars(at, end, first);
    if (error != std::errc()) break;
    uint32_t last = first;
    if (next < end && *next == '-') next = std::from_chars(next + 1, end, last).ptr;
    for (uint32_t cpu = first; cpu <= std::min(last, kMaxCpu); ++cpu) cpus.push_back(cpu);
    if (next >= end || *next != ',') break;
    at = next + 1;
  }
  return cpus;
}

CpuTicks::~CpuTicks() { SetPeriod(0).IgnoreError(); }

absl::Status CpuTicks::SetPeriod(uint64_t period_ns) {
  for (const auto& [cpu, event] : events_) bpf_link__destroy(event.link);
  events_.clear();
  period_ns_ = period_ns;
  const uint64_t arrivals = arrivals_;
  absl::Status status = FollowCpus();
  arrivals_ = arrivals;
  return status;
}

// Between two lives a CPU was offline: the kernel makes this folder anew each time it comes online.
uint64_t CpuTicks::LifeOf(uint32_t cpu) const {
  struct stat about {};
  const std::string path = root_.Path(fmt::format("/sys/devices/system/cpu/cpu{}/topology", cpu));
  return stat(path.c_str(), &about) == 0 ? about.st_ino : 0;
}

absl::Status CpuTicks::Start(uint32_t cpu) {
  perf_event_attr tick{};
  tick.size = sizeof(tick);
  tick.type = PERF_TYPE_SOFTWARE;
  tick.config = PERF_COUNT_SW_CPU_CLOCK;
  // As a period: a frequency would be checked against perf_event_max_sample_rate, which the kernel
  // lowers by itself.
  tick.sample_period = period_ns_;
  tick.exclude_idle = idle_ == IdleTicks::kNone;
  const uint64_t life = LifeOf(cpu);
  const long fd = syscall(SYS_perf_event_open, &tick, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, fmt::format("open a perf event on cpu {}", cpu));
  if (before_) before_(cpu);
  ASSIGN_OR_RETURN(bpf_link* const link, object_.AttachTo(program_, static_cast<int>(fd)));
  events_[cpu] = {link, life};
  return absl::OkStatus();
}

absl::Status CpuTicks::FollowCpus() {
  if (period_ns_ == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string text, root_.Read("/sys/devices/system/cpu/online"));
  const std::vector<uint32_t> list = ParseCpuList(text);
  const std::set<uint32_t> online(list.begin(), list.end());
  for (auto it = events_.begin(); it != events_.end();) {
    if (online.contains(it->first) && LifeOf(it->first) == it->second.life) {
      ++it;
      continue;
    }
    // The kernel has ended the event of a CPU that went; a new one is due when it comes back.
    bpf_link__destroy(it->second.link);
    it = events_.erase(it);
  }
  for (const uint32_t cpu : online) {
    if (events_.contains(cpu)) continue;
    RETURN_IF_ERROR(Start(cpu));
    ++arrivals_;
  }
  return absl::OkStatus();
}

}  // namespace huatuo
