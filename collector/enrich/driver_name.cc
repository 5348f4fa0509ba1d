#include "collector/enrich/driver_name.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace huatuo {
namespace {

template <size_t kSize>
std::string Text(const char (&array)[kSize]) {
  return {array, strnlen(array, kSize)};
}

}  // namespace

DriverName ReadDriverName(const std::string& ifname) {
  if (ifname.empty() || ifname.size() >= IFNAMSIZ) return {};
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  ifreq request{};
  std::memcpy(request.ifr_name, ifname.c_str(), ifname.size());
  request.ifr_data = reinterpret_cast<char*>(&info);
  const int result = ioctl(fd, SIOCETHTOOL, &request);
  close(fd);
  if (result != 0) return {};
  return {Text(info.driver), Text(info.version), Text(info.fw_version)};
}

}  // namespace huatuo
