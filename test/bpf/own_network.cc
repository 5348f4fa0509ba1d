#include "test/bpf/own_network.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace huatuo {
namespace {

constexpr uint16_t kClosedPort = 9;

}  // namespace

uint32_t EnterOwnNetwork() {
  struct stat about {};
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP;
  if (unshare(CLONE_NEWNET) != 0 || stat("/proc/thread-self/ns/net", &about) != 0) return 0;
  const int sock = socket(AF_INET, SOCK_DGRAM, 0);
  const bool up = ioctl(sock, SIOCSIFFLAGS, &request) == 0;
  close(sock);
  return up ? static_cast<uint32_t>(about.st_ino) : 0;
}

void Send(int family, int type, int count) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(kClosedPort);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(kClosedPort);
  v6.sin6_addr = in6addr_loopback;
  const bool is_v4 = family == AF_INET;
  const auto* to =
      is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
  for (int i = 0; i < count; ++i) {
    const int sock = socket(family, type, 0);
    const socklen_t length = is_v4 ? sizeof(v4) : sizeof(v6);
    // A refusal by the other end is the expected outcome.
    if (type == SOCK_DGRAM) {
      if (sendto(sock, "x", 1, 0, to, length) != 1) std::abort();
    } else if (connect(sock, to, length) == 0) {
      std::abort();
    }
    close(sock);
  }
}

}  // namespace huatuo
