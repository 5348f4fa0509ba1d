// Seeds: snmp netstat sockstat sockstat6 arp arp_cache tcp_mem udp_mem
#include "test/fuzz/collector/unit_fuzz.h"

namespace huatuo {
extern const Unit kNetwork;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static huatuo::UnitFuzzes fuzzes(
      huatuo::kNetwork, {"snmp", "net/netstat", "sockstat", "sockstat6", "net/arp", "arp_cache",
                         "tcp_mem", "udp_mem"});
  return fuzzes.Run(data, size);
}
