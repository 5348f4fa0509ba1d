// What the drivers of network devices count by themselves, by the ioctl of ethtool.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace huatuo {

struct EthtoolCount {
  std::string name;  // the driver's own
  uint64_t value = 0;
};

// Of the devices in the network that it was opened in. A question can hold up the network's
// configuration for as long as the device takes for its answer: not for every round. Not
// thread-safe.
class Ethtool {
 public:
  // In the network of the calling thread.
  static absl::StatusOr<Ethtool> Open();
  Ethtool(Ethtool&& other) noexcept;
  Ethtool& operator=(Ethtool&&) = delete;
  ~Ethtool();

  // The name of the driver; an error for a device that has none to ask.
  absl::StatusOr<std::string> Driver(const std::string& device) const;
  // Empty when the driver counts nothing.
  absl::StatusOr<std::vector<EthtoolCount>> Counts(const std::string& device) const;

 private:
  explicit Ethtool(int fd) : fd_(fd) {}
  absl::Status Ask(const std::string& device, void* request) const;
  absl::StatusOr<uint32_t> CountOfCounts(const std::string& device) const;

  int fd_;
};

}  // namespace huatuo
