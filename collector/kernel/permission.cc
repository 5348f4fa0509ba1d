#include "collector/kernel/permission.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

namespace huatuo {
namespace {

// Maps of any unit of ours fit; below it, a kernel that charges them to the limit refuses some.
constexpr rlim_t kEnoughLockedBytes = 64 << 20;

bool Has(const __user_cap_data_struct (&data)[2], int capability) {
  return (data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

std::string MissingCapability() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0 || Has(data, CAP_SYS_ADMIN)) return "";
  if (!Has(data, CAP_BPF)) return "without CAP_BPF";
  return Has(data, CAP_PERFMON) ? "" : "without CAP_PERFMON";
}

// The word in brackets is the mode: "none [integrity] confidentiality".
std::string Lockdown() {
  std::ifstream file("/sys/kernel/security/lockdown");
  for (std::string word; file >> word;) {
    if (word.starts_with('[') && word != "[none]") {
      return fmt::format("kernel lockdown: {}", word.substr(1, word.size() - 2));
    }
  }
  return "";
}

// Since 5.11 BPF memory is charged to the memory cgroup instead.
bool ChargesLockedMemory() {
  utsname name{};
  unsigned major = 0;
  unsigned minor = 0;
  uname(&name);
  if (std::sscanf(name.release, "%u.%u", &major, &minor) != 2) return false;
  return major < 5 || (major == 5 && minor < 11);
}

std::string LockedMemory() {
  if (!ChargesLockedMemory()) return "";
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur >= kEnoughLockedBytes) return "";
  return fmt::format("locked memory is limited to {} KiB", limit.rlim_cur / 1024);
}

}  // namespace

std::string WhyRefused(int error) {
  // Locked down for confidentiality, the verifier no longer knows the functions that read memory.
  if (error == EINVAL) return Lockdown();
  if (error != EPERM && error != EACCES) return "";
  std::string all;
  for (const std::string& reason : {MissingCapability(), Lockdown(), LockedMemory()}) {
    if (!reason.empty()) all += (all.empty() ? "" : ", ") + reason;
  }
  return all;
}

}  // namespace huatuo
