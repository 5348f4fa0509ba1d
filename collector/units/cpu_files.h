// CPU figures as procfs and cgroupfs tell them, read into memory that is used again.
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

#include "collector/procfs/group_folder.h"
#include "collector/root.h"

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
  // Keeps a reference to `root`.
  explicit CpuFiles(const Root& root) : root_(root) {}

  CpuRead Host(CpuSeconds& out);
  CpuRead OnlineCpus(double& out);
  CpuRead Load(std::array<double, 3>& out);  // over 1, 5 and 15 minutes
  CpuRead Group(const CpuFolders& folders, GroupCpu& out);

 private:
  struct Wanted;
  CpuRead Read(std::string_view folder, std::string_view file, std::string_view& text);
  CpuRead ReadWanted(const std::string& folder, std::string_view file, std::span<Wanted> wanted);
  CpuRead ReadNumber(const std::string& folder, std::string_view file, int64_t& number);
  CpuRead StatV2(const std::string& folder, bool usage, bool periods, GroupCpu& out);
  CpuRead UsageV1(const std::string& folder, GroupCpu& out);
  CpuRead PeriodsV1(const std::string& folder, GroupCpu& out);
  CpuRead QuotaV1(const std::string& folder, GroupCpu& out);
  CpuRead QuotaV2(const std::string& folder, GroupCpu& out);
  CpuRead Cpuset(const GroupFolder& folder, GroupCpu& out);

  const Root& root_;
  std::string path_;
  // The longest file that is needed whole is a cpu list: 8192 CPUs, every second one.
  std::array<char, 48 << 10> buffer_;
};

// "0-3,5" is 5; nullopt when it is no such list. Pure.
std::optional<double> CountCpuList(std::string_view list);

}  // namespace huatuo
