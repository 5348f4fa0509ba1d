#include "collector/kernel/packet_text.h"

#include <arpa/inet.h>

#include <iterator>

namespace huatuo {

std::string AddressText(uint32_t version, const __u32 (&address)[4]) {
  char text[INET6_ADDRSTRLEN];
  const bool v4 = version == 4;
  const void* bytes = v4 ? &address[3] : &address[0];
  return inet_ntop(v4 ? AF_INET : AF_INET6, bytes, text, sizeof(text));
}

std::string_view TcpStateName(uint32_t state) {
  static constexpr std::string_view kNames[] = {
      "",      "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",   "TIME_WAIT",
      "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV"};
  return state < std::size(kNames) ? kNames[state] : "";
}

}  // namespace huatuo
