// The driver behind a network device.
#pragma once

#include <string>

namespace huatuo {

struct DriverName {
  std::string driver;
  std::string version;
  std::string firmware;
};

// As `ethtool -i` tells it, in this process's network namespace; empty fields for a device that is
// gone or has no driver. Thread-safe.
DriverName ReadDriverName(const std::string& ifname);

}  // namespace huatuo
