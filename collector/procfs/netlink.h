// Dumps of rtnetlink, in our network or in that of a process.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace huatuo {

// A socket of rtnetlink. It keeps the network alive that it was opened in. Not thread-safe.
class Netlink {
 public:
  // In the network of the calling thread.
  static absl::StatusOr<Netlink> Open();
  // In the network of a process, given by its folder in procfs; needs CAP_SYS_ADMIN. NotFound when
  // the process ended. The calling thread is in its own network again when it returns; the process
  // ends if it cannot be.
  static absl::StatusOr<Netlink> OpenIn(const std::string& process);
  Netlink(Netlink&& other) noexcept;
  Netlink& operator=(Netlink&&) = delete;
  ~Netlink();

  // Asks for all objects of a kind, RTM_GETLINK or RTM_GETQDISC, and calls `visit` for each. `room`
  // is where the kernel writes; it keeps its size for the next call.
  using Visit = std::function<void(const nlmsghdr& message)>;
  absl::Status Dump(uint16_t type, std::vector<std::byte>& room, const Visit& visit);
  // Sends one request that is not for a dump, and calls `visit` for its one answer. The error of
  // the kernel is that of the returned status, by its number.
  absl::Status Query(const nlmsghdr& request, std::vector<std::byte>& room, const Visit& visit);

 private:
  explicit Netlink(int fd) : fd_(fd) {}
  absl::Status Ask(uint16_t type);
  int fd_;
};

// Calls `visit(type, payload)` for each whole attribute of a message behind its header of
// `header_bytes`, or of an attribute that nests others.
using VisitAttribute = std::function<void(uint16_t type, std::span<const std::byte> payload)>;
void EachAttribute(const nlmsghdr& message, size_t header_bytes, const VisitAttribute& visit);
void EachAttribute(std::span<const std::byte> nest, const VisitAttribute& visit);

}  // namespace huatuo
