// How what BPF programs tell of packets is written.
#pragma once

#include <linux/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace huatuo {

// `address` in network order, IPv4 as ::ffff:a.b.c.d; `version` 4 writes it without that prefix.
std::string AddressText(uint32_t version, const __u32 (&address)[4]);

// "" for 0 and for what is no state.
std::string_view TcpStateName(uint32_t state);

}  // namespace huatuo
