// What TCP has received, by the kernel's own count.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace huatuo {

// Bytes that each connection of this process to its `port` has received since it was made, by the
// other end as gRPC names it: ipv4:10.0.0.1:5000, ipv6:%5B2001:db8::1%5D:5000. Looks at every
// descriptor of the process: some microseconds each.
std::map<std::string, uint64_t> ReceivedByPeer(uint16_t port);

// Bytes that all devices of this network namespace have received; from `text`, which is that of
// /proc/net/dev. Goes back when a device goes.
uint64_t ReceivedByHost(const std::string& text);

}  // namespace huatuo
