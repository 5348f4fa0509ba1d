// What a driver names its counters, and a reply of the kernel about pause frames.
// Seeds: test/collector/units/netdev_hw_test.cc
#include <algorithm>
#include <cstring>

#include "collector/units/netdev_hw_drops.h"
#include "collector/units/netdev_hw_pfc.h"
#include "test/fuzz/must.h"

namespace {

// Each line is a name.
void Name(std::string_view text) {
  std::vector<huatuo::EthtoolCount> counts;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    counts.push_back({std::string(text.substr(0, std::min<size_t>(end, 32))), 1});
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  const auto drops = huatuo::HardwareDrops(counts);
  huatuo::Must(drops.size() <= huatuo::kMaxDropKinds + 1);
  uint64_t sum = 0;
  for (const auto& [kind, value] : drops) {
    huatuo::MustBeText(kind);
    sum += value;
  }
  huatuo::Must(sum <= counts.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Name({reinterpret_cast<const char*>(data), size});
  if (size < sizeof(nlmsghdr)) return 0;
  std::vector<nlmsghdr> message(size / sizeof(nlmsghdr) + 1);
  std::memcpy(message.data(), data, size);
  message[0].nlmsg_len = static_cast<uint32_t>(size);
  huatuo::ParsePauseFrames(message[0]);
  message[0].nlmsg_type = RTM_GETDCB;
  huatuo::ParsePauseFrames(message[0]);
  return 0;
}
