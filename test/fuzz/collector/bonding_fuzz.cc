// Seeds: test/collector/units/netdev_bonding_lacp_test.cc
#include <set>

#include "collector/units/netdev_bonding_lacp_state.h"
#include "test/fuzz/must.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto bond = huatuo::ParseLacpBond(text);
  if (!bond) return 0;
  std::set<std::string> names;
  for (const huatuo::LacpSlave& slave : bond->slaves) names.insert(slave.name);
  if (names.size() == bond->slaves.size()) {
    huatuo::Must(huatuo::LacpChanges(*bond, *bond).empty());
  }
  const auto half = huatuo::ParseLacpBond(text.substr(0, size / 2));
  if (half) (void)huatuo::LacpChanges(*half, *bond);
  return 0;
}
