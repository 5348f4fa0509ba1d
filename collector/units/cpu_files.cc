#include "collector/units/cpu_files.h"

#include <unistd.h>

#include <cerrno>
#include <cmath>

#include "collector/procfs/scan.h"

namespace huatuo {
namespace {

constexpr uint32_t kMaxCpus = 1 << 20;

double UserHz() {
  static const double hz = static_cast<double>(sysconf(_SC_CLK_TCK));
  return hz;
}

KeptFile FileOf(const GroupFolder& folder, std::string_view v2, std::string_view v1) {
  return KeptFile(folder.path + "/" + std::string(folder.v2 ? v2 : v1));
}

}  // namespace

struct CpuFiles::Wanted {
  std::string_view key;
  uint64_t value = 0;
  bool found = false;

  std::optional<double> Times(double unit) const {
    if (!found) return std::nullopt;
    return static_cast<double>(value) * unit;
  }
};

CpuGroupFiles::CpuGroupFiles(const CpuFolders& where)
    : folders(where),
      usage(FileOf(where.cpuacct, "cpu.stat", "cpuacct.usage")),
      modes(FileOf(where.cpuacct, "", "cpuacct.stat")),
      periods(FileOf(where.cpu, "cpu.stat", "cpu.stat")),
      quota(FileOf(where.cpu, "cpu.max", "cpu.cfs_quota_us")),
      period(FileOf(where.cpu, "", "cpu.cfs_period_us")),
      cpuset(FileOf(where.cpuset, "cpuset.cpus.effective", "cpuset.effective_cpus")) {}

CpuRead CpuFiles::Read(KeptFile& file, std::string_view& text) {
  const FileReader::Loaded loaded = reader_.Load(file);
  text = loaded.text;
  if (loaded.error == 0) return CpuRead::kOk;
  if (loaded.error == EFBIG) return CpuRead::kMalformed;
  // A cgroup that is removed while its file is open.
  if (loaded.error == ENODEV) return CpuRead::kGone;
  if (loaded.error != ENOENT) return CpuRead::kUnreadable;
  folder_.assign(reader_.root().prefix()).append(file.path(), 0, file.path().rfind('/'));
  return access(folder_.c_str(), F_OK) == 0 ? CpuRead::kUnreadable : CpuRead::kGone;
}

// Files of "key number" lines.
CpuRead CpuFiles::ReadWanted(KeptFile& file, std::span<Wanted> wanted) {
  std::string_view text;
  if (const CpuRead read = Read(file, text); read != CpuRead::kOk) return read;
  while (auto line = Line(text)) {
    const std::string_view key = Word(*line);
    for (Wanted& one : wanted) {
      if (one.key != key) continue;
      one.found = ParseNumber(Word(*line), one.value);
      if (!one.found) return CpuRead::kMalformed;
    }
  }
  return text.empty() ? CpuRead::kOk : CpuRead::kMalformed;
}

CpuRead CpuFiles::ReadNumber(KeptFile& file, int64_t& number) {
  std::string_view text;
  if (const CpuRead read = Read(file, text); read != CpuRead::kOk) return read;
  const auto line = Line(text);
  return line && text.empty() && ParseNumber(*line, number) ? CpuRead::kOk : CpuRead::kMalformed;
}

CpuRead CpuFiles::Host(CpuSeconds& out) {
  std::string_view text;
  if (const CpuRead read = Read(stat_, text); read != CpuRead::kOk) return read;
  auto line = Line(text);
  if (!line || Word(*line) != "cpu") return CpuRead::kMalformed;
  for (double& seconds : out) {
    uint64_t ticks = 0;
    if (!ParseNumber(Word(*line), ticks)) return CpuRead::kMalformed;
    seconds = static_cast<double>(ticks) / UserHz();
  }
  return CpuRead::kOk;
}

CpuRead CpuFiles::OnlineCpus(double& out) {
  std::string_view text;
  if (const CpuRead read = Read(online_, text); read != CpuRead::kOk) return read;
  const auto line = Line(text);
  const std::optional<double> count = line && text.empty() ? CountCpuList(*line) : std::nullopt;
  if (!count || *count == 0) return CpuRead::kMalformed;
  out = *count;
  return CpuRead::kOk;
}

CpuRead CpuFiles::Load(std::array<double, 3>& out) {
  std::string_view text;
  if (const CpuRead read = Read(loadavg_, text); read != CpuRead::kOk) return read;
  auto line = Line(text);
  for (double& load : out) {
    // "nan" and "inf" are numbers to a parser.
    if (!line || !ParseNumber(Word(*line), load) || !std::isfinite(load) || load < 0) {
      return CpuRead::kMalformed;
    }
  }
  return CpuRead::kOk;
}

CpuRead CpuFiles::StatV2(KeptFile& file, bool usage, bool periods, GroupCpu& out) {
  Wanted wanted[] = {{"usage_usec"},   {"user_usec"},      {"system_usec"}, {"nr_periods"},
                     {"nr_throttled"}, {"throttled_usec"}, {"nr_bursts"},   {"burst_usec"}};
  if (const CpuRead read = ReadWanted(file, wanted); read != CpuRead::kOk) return read;
  if (usage) {
    if (!wanted[0].found || !wanted[1].found || !wanted[2].found) return CpuRead::kMalformed;
    out.usage_seconds = *wanted[0].Times(1e-6);
    out.user_seconds = *wanted[1].Times(1e-6);
    out.system_seconds = *wanted[2].Times(1e-6);
  }
  if (periods) {
    out.periods = wanted[3].Times(1);
    out.throttled_periods = wanted[4].Times(1);
    out.throttled_seconds = wanted[5].Times(1e-6);
    out.bursts = wanted[6].Times(1);
    out.burst_seconds = wanted[7].Times(1e-6);
  }
  return CpuRead::kOk;
}

CpuRead CpuFiles::UsageV1(CpuGroupFiles& files, GroupCpu& out) {
  int64_t usage_ns = 0;
  if (const CpuRead read = ReadNumber(files.usage, usage_ns); read != CpuRead::kOk) {
    return read;
  }
  Wanted wanted[] = {{"user"}, {"system"}};
  if (const CpuRead read = ReadWanted(files.modes, wanted); read != CpuRead::kOk) {
    return read;
  }
  if (usage_ns < 0 || !wanted[0].found || !wanted[1].found) return CpuRead::kMalformed;
  out.usage_seconds = static_cast<double>(usage_ns) * 1e-9;
  out.user_seconds = *wanted[0].Times(1 / UserHz());
  out.system_seconds = *wanted[1].Times(1 / UserHz());
  return CpuRead::kOk;
}

CpuRead CpuFiles::PeriodsV1(KeptFile& file, GroupCpu& out) {
  Wanted wanted[] = {
      {"nr_periods"}, {"nr_throttled"}, {"throttled_time"}, {"nr_bursts"}, {"burst_time"}};
  if (const CpuRead read = ReadWanted(file, wanted); read != CpuRead::kOk) return read;
  out.periods = wanted[0].Times(1);
  out.throttled_periods = wanted[1].Times(1);
  out.throttled_seconds = wanted[2].Times(1e-9);
  out.bursts = wanted[3].Times(1);
  out.burst_seconds = wanted[4].Times(1e-9);
  return CpuRead::kOk;
}

// A kernel without CFS bandwidth control has neither file.
CpuRead CpuFiles::QuotaV1(CpuGroupFiles& files, GroupCpu& out) {
  int64_t quota_us = 0;
  int64_t period_us = 0;
  CpuRead read = ReadNumber(files.quota, quota_us);
  if (read == CpuRead::kUnreadable) return CpuRead::kOk;
  if (read != CpuRead::kOk || quota_us < 0) return read;
  read = ReadNumber(files.period, period_us);
  if (read != CpuRead::kOk) return read;
  if (quota_us == 0 || period_us <= 0) return CpuRead::kMalformed;
  out.quota_cores = static_cast<double>(quota_us) / static_cast<double>(period_us);
  return CpuRead::kOk;
}

// "max 100000" or "50000 100000"; absent where the controller is not enabled.
CpuRead CpuFiles::QuotaV2(KeptFile& file, GroupCpu& out) {
  std::string_view text;
  const CpuRead read = Read(file, text);
  if (read == CpuRead::kUnreadable) return CpuRead::kOk;
  if (read != CpuRead::kOk) return read;
  auto line = Line(text);
  if (!line || !text.empty()) return CpuRead::kMalformed;
  const std::string_view quota = Word(*line);
  uint64_t quota_us = 0;
  uint64_t period_us = 0;
  if (!ParseNumber(Word(*line), period_us) || period_us == 0) return CpuRead::kMalformed;
  if (quota == "max") return CpuRead::kOk;
  if (!ParseNumber(quota, quota_us) || quota_us == 0) return CpuRead::kMalformed;
  out.quota_cores = static_cast<double>(quota_us) / static_cast<double>(period_us);
  return CpuRead::kOk;
}

// An empty v1 cpuset, or one whose controller is not enabled, restricts nothing by itself.
CpuRead CpuFiles::Cpuset(KeptFile& file, GroupCpu& out) {
  std::string_view text;
  const CpuRead read = Read(file, text);
  if (read == CpuRead::kUnreadable) return CpuRead::kOk;
  if (read != CpuRead::kOk) return read;
  const auto line = Line(text);
  if (!line || !text.empty()) return CpuRead::kMalformed;
  if (line->empty()) return CpuRead::kOk;
  out.cpuset_cores = CountCpuList(*line);
  return out.cpuset_cores ? CpuRead::kOk : CpuRead::kMalformed;
}

CpuRead CpuFiles::Group(CpuGroupFiles& files, GroupCpu& out) {
  out = GroupCpu();
  const auto& [cpu, cpuacct, cpuset] = files.folders;
  const bool one_file = cpuacct.v2 && cpuacct.path == cpu.path;
  CpuRead read = cpuacct.v2 ? StatV2(files.usage, true, one_file, out) : UsageV1(files, out);
  if (read == CpuRead::kOk && !cpu.path.empty() && !one_file) {
    read = cpu.v2 ? StatV2(files.periods, false, true, out) : PeriodsV1(files.periods, out);
  }
  if (read == CpuRead::kOk && !cpu.path.empty()) {
    read = cpu.v2 ? QuotaV2(files.quota, out) : QuotaV1(files, out);
  }
  if (read == CpuRead::kOk && !cpuset.path.empty()) read = Cpuset(files.cpuset, out);
  return read;
}

std::optional<double> CountCpuList(std::string_view list) {
  double count = 0;
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), part.size() + 1));
    const size_t dash = part.find('-');
    uint32_t first = 0;
    if (!ParseNumber(part.substr(0, dash), first)) return std::nullopt;
    uint32_t last = first;
    if (dash != std::string_view::npos && !ParseNumber(part.substr(dash + 1), last))
      return std::nullopt;
    if (last < first || last >= kMaxCpus) return std::nullopt;
    count += last - first + 1;
  }
  return count;
}

}  // namespace huatuo
