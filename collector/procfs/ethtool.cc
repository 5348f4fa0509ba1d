#include "collector/procfs/ethtool.h"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Some cards with many queues have a few thousand.
constexpr uint32_t kMaxCounts = 1 << 16;

std::string_view Text(const char* bytes, size_t size) { return {bytes, strnlen(bytes, size)}; }

}  // namespace

Ethtool::Ethtool(Ethtool&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Ethtool::~Ethtool() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<Ethtool> Ethtool::Open() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return ErrnoStatus(errno, "open a socket for ethtool");
  return Ethtool(fd);
}

absl::Status Ethtool::Ask(const std::string& device, void* request) const {
  ifreq named{};
  device.copy(named.ifr_name, sizeof(named.ifr_name) - 1);
  named.ifr_data = static_cast<char*>(request);
  if (ioctl(fd_, SIOCETHTOOL, &named) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, fmt::format("ask the driver of {}", device));
}

absl::StatusOr<std::string> Ethtool::Driver(const std::string& device) const {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  RETURN_IF_ERROR(Ask(device, &info));
  return std::string(Text(info.driver, sizeof(info.driver)));
}

absl::StatusOr<uint32_t> Ethtool::CountOfCounts(const std::string& device) const {
  std::array<uint64_t, sizeof(ethtool_sset_info) / 8 + 1> room{};
  auto* const info = reinterpret_cast<ethtool_sset_info*>(room.data());
  info->cmd = ETHTOOL_GSSET_INFO;
  info->sset_mask = 1ULL << ETH_SS_STATS;
  RETURN_IF_ERROR(Ask(device, info));
  return info->sset_mask == 0 ? 0 : info->data[0];
}

absl::StatusOr<std::vector<EthtoolCount>> Ethtool::Counts(const std::string& device) const {
  ASSIGN_OR_RETURN(const uint32_t count, CountOfCounts(device));
  std::vector<EthtoolCount> counts;
  if (count == 0) return counts;
  if (count > kMaxCounts) return DataLoss(fmt::format("{}: {} counters", device, count));
  // A driver can have more of them by the time that it is asked: as many again are room for that.
  std::vector<uint64_t> names((sizeof(ethtool_gstrings) + size_t{count} * 2 * ETH_GSTRING_LEN) / 8 +
                              1);
  auto* const strings = reinterpret_cast<ethtool_gstrings*>(names.data());
  *strings = {.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_STATS, .len = count};
  RETURN_IF_ERROR(Ask(device, strings));
  std::vector<uint64_t> values(sizeof(ethtool_stats) / 8 + size_t{count} * 2 + 1);
  auto* const stats = reinterpret_cast<ethtool_stats*>(values.data());
  *stats = {.cmd = ETHTOOL_GSTATS, .n_stats = count};
  RETURN_IF_ERROR(Ask(device, stats));
  // Names and values are asked for one after the other: of two sizes they are no pairs.
  if (strings->len != count || stats->n_stats != count) return counts;
  const char* name = reinterpret_cast<const char*>(strings->data);
  for (uint32_t i = 0; i < count; ++i, name += ETH_GSTRING_LEN) {
    counts.push_back({std::string(Text(name, ETH_GSTRING_LEN)), stats->data[i]});
  }
  return counts;
}

}  // namespace huatuo
