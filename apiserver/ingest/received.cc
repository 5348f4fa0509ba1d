#include "apiserver/ingest/received.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fmt/format.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace huatuo {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr_in& v4() const { return reinterpret_cast<const sockaddr_in&>(storage); }
  const sockaddr_in6& v6() const { return reinterpret_cast<const sockaddr_in6&>(storage); }
  bool is_v4() const { return storage.ss_family == AF_INET; }
  bool is_v6() const { return storage.ss_family == AF_INET6; }
  uint16_t port() const { return ntohs(is_v4() ? v4().sin_port : v6().sin6_port); }
};

std::string NameOf(const Address& peer) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const auto of_v4 = [&](const void* bytes) {
    inet_ntop(AF_INET, bytes, text.data(), text.size());
    return fmt::format("ipv4:{}:{}", text.data(), peer.port());
  };
  if (peer.is_v4()) return of_v4(&peer.v4().sin_addr);
  const in6_addr& address = peer.v6().sin6_addr;
  // The last four bytes of ::ffff:a.b.c.d.
  if (IN6_IS_ADDR_V4MAPPED(&address)) return of_v4(&address.s6_addr[12]);
  inet_ntop(AF_INET6, &address, text.data(), text.size());
  return fmt::format("ipv6:%5B{}%5D:{}", text.data(), peer.port());
}

std::optional<uint64_t> Received(int socket) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  // A newer kernel than the headers says more, an older one less.
  if (size < offsetof(tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received)) {
    return std::nullopt;
  }
  return info.tcpi_bytes_received;
}

}  // namespace

// A descriptor that is closed, and given to something else, between two calls is at worst another
// connection, whose own count is then told.
std::map<std::string, uint64_t> ReceivedByPeer(uint16_t port) {
  std::map<std::string, uint64_t> received;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
  if (!folder) return received;
  while (const dirent* entry = readdir(folder.get())) {
    const int socket = std::atoi(entry->d_name);
    Address own;
    Address peer;
    if (getsockname(socket, own.get(), &own.size) != 0 || !(own.is_v4() || own.is_v6()) ||
        own.port() != port || getpeername(socket, peer.get(), &peer.size) != 0) {
      continue;
    }
    if (const auto bytes = Received(socket)) received[NameOf(peer)] = *bytes;
  }
  return received;
}

uint64_t ReceivedByHost(const std::string& text) {
  uint64_t sum = 0;
  // Lines of NAME: BYTES PACKETS..., below two of titles. A name may have a colon, as of an alias.
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const size_t colon = line.rfind(':');
    if (colon == absl::string_view::npos) continue;
    const absl::string_view numbers = absl::StripLeadingAsciiWhitespace(line.substr(colon + 1));
    uint64_t bytes = 0;
    std::from_chars(numbers.data(), numbers.data() + numbers.size(), bytes);
    sum += bytes;
  }
  return sum;
}

}  // namespace huatuo
