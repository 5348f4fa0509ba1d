// A network of a test's own, and packets that are dropped in it.
#pragma once

#include <cstdint>

namespace huatuo {

// For the calling thread, for good: a network of its own with nothing but `lo`. The inode of the
// namespace; 0 when it may not.
uint32_t EnterOwnNetwork();

// `count` packets over loopback to port 9, where nobody listens: of SOCK_DGRAM a datagram each, of
// SOCK_STREAM an attempt to connect.
void Send(int family, int type, int count);

}  // namespace huatuo
