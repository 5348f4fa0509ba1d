#include "apiserver/ingest/connections.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

#include "apiserver/ingest/received.h"

namespace huatuo {
namespace {

constexpr uint64_t kMb = 1'000'000;
constexpr int64_t kSecond = 1'000'000'000;

std::string Peers(const std::set<std::string>& peers) {
  std::string text;
  for (const std::string& peer : peers) text += peer + " ";
  return text;
}

TEST_CASE("a connection that received more than its messages and what is around them") {
  Connections connections(10 * kMb);
  const auto a = connections.Of("a", 0);
  CHECK(connections.Of("a", kSecond) == a);
  const auto b = connections.Of("b", 0);
  a->taken_bytes = 100 * kMb;
  CHECK(Peers(connections.Excessive({{"a", 112 * kMb}, {"b", 10 * kMb}}, 0)).empty());
  CHECK(Peers(connections.Excessive({{"a", 112 * kMb + 1}, {"b", 10 * kMb}}, 0)) == "a ");
  CHECK(Peers(connections.Excessive({{"a", 112 * kMb}, {"b", 10 * kMb + 1}}, 0)) == "b ");
  // Pings of a week without a message.
  CHECK(Peers(connections.Excessive({{"a", 0}, {"b", 600 * kMb}}, 7 * 86400 * kSecond)).empty());
  CHECK(Peers(connections.Excessive({{"a", 0}, {"b", 700 * kMb}}, 7 * 86400 * kSecond)) == "b ");
  // The messages of a stream that has ended count for the next one of its connection.
  CHECK(connections.Of("a", kSecond)->taken_bytes == 100 * kMb);
  // Gone: the next one from there begins anew.
  CHECK(Peers(connections.Excessive({{"b", 0}}, 0)).empty());
  CHECK(connections.Of("a", kSecond)->taken_bytes == 0);
}

TEST_CASE("a look is worth it when more came than the streams were given") {
  Connections connections(10 * kMb);
  CHECK(!connections.Unexplained(30 * kMb));
  CHECK(connections.Unexplained(40 * kMb));
  CHECK(!connections.Unexplained(40 * kMb));
  const auto a = connections.Of("a", 0);
  a->taken_bytes = 100 * kMb;
  CHECK(!connections.Unexplained(140 * kMb));
  // That of a connection that is gone stays taken.
  CHECK(Peers(connections.Excessive({}, 0)).empty());
  CHECK(!connections.Unexplained(170 * kMb));
  CHECK(connections.Unexplained(180 * kMb));
  for (int i = 0; i < 1001; ++i) connections.Of(std::to_string(i), 0);
  CHECK(connections.Unexplained(180 * kMb));
  CHECK(Peers(connections.Excessive({}, 0)).empty());
  CHECK(!connections.Unexplained(180 * kMb));
}

TEST_CASE("what the host has received") {
  CHECK(ReceivedByHost("Inter-|   Receive                |  Transmit\n"
                       " face |bytes    packets errs |bytes    packets errs\n"
                       "    lo: 1000 5 0 1000 5 0\n"
                       "eth0:1:18446744073709550000       9 0 7 1 0\n") == 18446744073709551000ULL);
  CHECK(ReceivedByHost("") == 0);
  CHECK(ReceivedByHost("lo:") == 0);
  CHECK(ReceivedByHost("lo: -5 6\n") == 0);
}

struct Pair {
  // A connection to a listener at `own`, from `other` of the same family.
  Pair(const sockaddr* own, const sockaddr* other, socklen_t size, bool only_v6) {
    const int listener = socket(own->sa_family, SOCK_STREAM, 0);
    const int no = 0;
    if (!only_v6) setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
    REQUIRE(bind(listener, own, size) == 0);
    REQUIRE(listen(listener, 1) == 0);
    sockaddr_storage bound{};
    socklen_t length = sizeof(bound);
    REQUIRE(getsockname(listener, reinterpret_cast<sockaddr*>(&bound), &length) == 0);
    // In the same place of both families.
    port = ntohs(reinterpret_cast<const sockaddr_in&>(bound).sin_port);
    sockaddr_storage to{};
    std::copy_n(reinterpret_cast<const char*>(other), sizeof(sockaddr_in6),
                reinterpret_cast<char*>(&to));
    reinterpret_cast<sockaddr_in&>(to).sin_port = htons(port);
    client = socket(other->sa_family, SOCK_STREAM, 0);
    REQUIRE(connect(client, reinterpret_cast<const sockaddr*>(&to),
                    other->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)) == 0);
    server = accept(listener, nullptr, nullptr);
    close(listener);
    sockaddr_storage from{};
    length = sizeof(from);
    REQUIRE(getsockname(client, reinterpret_cast<sockaddr*>(&from), &length) == 0);
    client_port = ntohs(reinterpret_cast<const sockaddr_in&>(from).sin_port);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    close(client);
    close(server);
  }
  // What is told of the port, after so many bytes were sent and read; the client's port as P.
  std::string After(size_t bytes) const {
    const std::string text(bytes, 'x');
    REQUIRE(send(client, text.data(), text.size(), 0) == static_cast<ssize_t>(bytes));
    std::string buffer(bytes, ' ');
    REQUIRE(recv(server, buffer.data(), bytes, MSG_WAITALL) == static_cast<ssize_t>(bytes));
    std::string told;
    for (const auto& [peer, received] : ReceivedByPeer(port)) {
      const size_t colon = peer.rfind(':');
      const bool ours = peer.substr(colon + 1) == std::to_string(client_port);
      told += fmt::format("{}:{} {}", peer.substr(0, colon), ours ? "P" : "?", received);
    }
    return told;
  }

  uint16_t port = 0;
  uint16_t client_port = 0;
  int client = -1;
  int server = -1;
};

TEST_CASE("what each connection has received, by its other end as gRPC names it") {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  sockaddr_in6 any = v6;
  any.sin6_addr = in6addr_any;
  const auto* of_v4 = reinterpret_cast<const sockaddr*>(&v4);
  const auto* of_v6 = reinterpret_cast<const sockaddr*>(&v6);
  const auto* of_any = reinterpret_cast<const sockaddr*>(&any);
  CHECK(Pair(of_v4, of_v4, sizeof(v4), true).After(1234) == "ipv4:127.0.0.1:P 1234");
  CHECK(Pair(of_v6, of_v6, sizeof(v6), true).After(5) == "ipv6:%5B::1%5D:P 5");
  CHECK(Pair(of_any, of_v4, sizeof(any), false).After(70000) == "ipv4:127.0.0.1:P 70000");
  CHECK(ReceivedByPeer(1).empty());
}

}  // namespace
}  // namespace huatuo
