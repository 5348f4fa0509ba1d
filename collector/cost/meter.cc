#include "collector/cost/meter.h"

#include <bpf/bpf.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "common/clock.h"

namespace huatuo {
namespace {

double CpuSeconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

double Cpus() { return std::max(1U, std::thread::hardware_concurrency()); }

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t PeakBytes() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return static_cast<uint64_t>(use.ru_maxrss) * 1024;
}

}  // namespace

Meter::Meter(uint64_t shared_map_bytes, uint64_t interval_seconds)
    : shared_map_bytes_(shared_map_bytes),
      interval_(interval_seconds),
      cpu_since_ns_(Clock::Real().BootNs()),
      cpu_at_(CpuSeconds()) {}

Meter::~Meter() {
  if (stats_fd_ >= 0) close(stats_fd_);
}

Meter::Readings Meter::Read(const Running& running) {
  Readings readings;
  std::set<uint32_t> seen;
  for (const Roster::Running& unit : running) {
    for (const ProgramRef& program : unit.programs) {
      bpf_prog_info info{};
      __u32 size = sizeof(info);
      if (bpf_obj_get_info_by_fd(program.fd, &info, &size) != 0) continue;
      if (!seen.insert(info.id).second) continue;
      readings[{unit.unit, unit.task_id, program.name}] = {info.run_cnt, info.run_time_ns,
                                                           info.recursion_misses};
    }
  }
  return readings;
}

void Meter::Begin(const Running& running) {
  stats_fd_ = bpf_enable_stats(BPF_STATS_RUN_TIME);
  begin_ = Read(running);
  begin_ns_ = Clock::Real().BootNs();
}

void Meter::End(const Running& running) {
  const Readings now = Read(running);
  if (stats_fd_ >= 0) close(std::exchange(stats_fd_, -1));
  const double elapsed = static_cast<double>(Clock::Real().BootNs() - begin_ns_);
  if (elapsed <= 0) return;
  std::erase_if(costs_, [&](const auto& entry) { return !now.contains(entry.first); });
  for (const auto& [key, reading] : now) {
    const auto before = begin_.find(key);
    if (before == begin_.end() || reading.run_ns < before->second.run_ns) continue;
    v1::ProgramCost& cost = costs_[key];
    const uint64_t run_ns = reading.run_ns - before->second.run_ns;
    const auto& [unit, task_id, program] = key;
    cost.set_unit(unit);
    cost.set_instance(task_id.empty() ? "always" : "task:" + task_id);
    cost.set_program(program);
    cost.set_runs(cost.runs() + reading.runs - before->second.runs);
    cost.set_run_ns(cost.run_ns() + run_ns);
    cost.set_ratio(static_cast<double>(run_ns) / elapsed);
    cost.set_recursion_misses(reading.recursion_misses);
  }
  map_bytes_ = shared_map_bytes_;
  for (const Roster::Running& unit : running) map_bytes_ += unit.map_bytes;
  SumUp();
}

void Meter::SumUp() {
  const int64_t now_ns = Clock::Real().BootNs();
  const double cpu = CpuSeconds();
  const double own = (cpu - cpu_at_) * 1e9 / static_cast<double>(now_ns - cpu_since_ns_);
  cpu_at_ = cpu;
  cpu_since_ns_ = now_ns;
  overhead_ratio_ = own / Cpus();
  for (const auto& [key, cost] : costs_) overhead_ratio_ += cost.ratio() / Cpus();
}

double Meter::ratio(const Roster::Running& instance) const {
  double ratio = 0;
  for (const auto& [key, cost] : costs_) {
    const auto& [unit, task_id, program] = key;
    const bool its = unit == instance.unit && task_id == instance.task_id;
    ratio += its ? cost.ratio() / Cpus() : 0;
  }
  return ratio;
}

std::optional<Meter::Running> Meter::Tick(const std::function<Running()>& all) {
  const uint64_t phase = second_++ % interval_;
  if (phase > 1) return std::nullopt;
  Running running = all();
  if (phase == 0) {
    Begin(running);
    return std::nullopt;
  }
  End(running);
  return running;
}

void Meter::Fill(v1::NodeStatus& status) const {
  status.set_cpu_seconds(CpuSeconds());
  status.set_rss_bytes(ResidentBytes());
  status.set_peak_rss_bytes(PeakBytes());
  status.set_map_bytes(map_bytes_);
  status.set_overhead_ratio(overhead_ratio_);
  status.set_cpus(std::thread::hardware_concurrency());
  for (const auto& [key, cost] : costs_) *status.add_programs() = cost;
}

}  // namespace huatuo
