// CPU figures as procfs and cgroupfs tell them.
//
// A file is believed whole or not at all: one that is cut, larger than its kernel could make it, or
// not of the expected form gives kMalformed and leaves `out` in an unspecified state. Not
// thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "collector/procfs/file_reader.h"
#include "collector/procfs/group_folder.h"

namespace huatuo {

enum class CpuRead {
  kOk,
  kGone,  // the cgroup has ended: there is nothing to read any more
  kUnreadable,
  kMalformed,
};

// /proc/stat, all CPUs together, in the order of the file.
enum CpuMode : size_t { kUser, kNice, kSystem, kIdle, kIowait, kIrq, kSoftirq, kSteal, kCpuModes };
using CpuSeconds = std::array<double, kCpuModes>;

// Where a cgroup's files are, one folder below Root for each controller; empty: it has none there.
struct CpuFolders {
  GroupFolder cpu;      // quota, periods
  GroupFolder cpuacct;  // usage
  GroupFolder cpuset;
  friend bool operator==(const CpuFolders&, const CpuFolders&) = default;
};

// The files there; which of them exist depends on the kernel, and on the hierarchies.
struct CpuGroupFiles {
  explicit CpuGroupFiles(const CpuFolders& where);

  CpuFolders folders;
  KeptFile usage;    // cpu.stat; v1: cpuacct.usage
  KeptFile modes;    // v1: cpuacct.stat
  KeptFile periods;  // cpu.stat in the folder of `cpu`
  KeptFile quota;    // cpu.max; v1: cpu.cfs_quota_us
  KeptFile period;   // v1: cpu.cfs_period_us
  KeptFile cpuset;
};

struct GroupCpu {
  double usage_seconds = 0;
  double user_seconds = 0;
  double system_seconds = 0;
  // Absent where this kernel or this cgroup does not count them.
  std::optional<double> periods, throttled_periods, throttled_seconds, bursts, burst_seconds;
  std::optional<double> quota_cores;   // absent: no limit
  std::optional<double> cpuset_cores;  // absent: no cpuset of its own
};

class CpuFiles {
 public:
  // Outlives the groups that it reads. It counts nothing by itself.
  CpuFiles(const Root& root, const OpenRequest& request, EventSink& sink)
      : reader_(root, request, sink) {}

  CpuRead Host(CpuSeconds& out);
  CpuRead OnlineCpus(double& out);
  CpuRead Load(std::array<double, 3>& out);  // over 1, 5 and 15 minutes
  CpuRead Group(CpuGroupFiles& files, GroupCpu& out);

 private:
  struct Wanted;
  CpuRead Read(KeptFile& file, std::string_view& text);
  CpuRead ReadWanted(KeptFile& file, std::span<Wanted> wanted);
  CpuRead ReadNumber(KeptFile& file, int64_t& number);
  CpuRead StatV2(KeptFile& file, bool usage, bool periods, GroupCpu& out);
  CpuRead UsageV1(CpuGroupFiles& files, GroupCpu& out);
  CpuRead PeriodsV1(KeptFile& file, GroupCpu& out);
  CpuRead QuotaV1(CpuGroupFiles& files, GroupCpu& out);
  CpuRead QuotaV2(KeptFile& file, GroupCpu& out);
  CpuRead Cpuset(KeptFile& file, GroupCpu& out);

  FileReader reader_;
  KeptFile stat_{"/proc/stat"};
  KeptFile online_{"/sys/devices/system/cpu/online"};
  KeptFile loadavg_{"/proc/loadavg"};
  std::string folder_;  // of the file that is not there
};

// "0-3,5" is 5; nullopt when it is no such list. Pure.
std::optional<double> CountCpuList(std::string_view list);

}  // namespace huatuo
