// The language in which people filter packets.
// Seeds: test/common/packet_filter_test.cc
#include "common/packet_filter.h"
#include "test/fuzz/must.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto filter = huatuo::ParsePacketFilter({reinterpret_cast<const char*>(data), size});
  if (!filter.ok()) {
    huatuo::Must(filter.status().code() == absl::StatusCode::kInvalidArgument);
    return 0;
  }
  huatuo::Must(!filter->version || *filter->version == 4 || *filter->version == 6);
  for (const auto& net : {filter->src, filter->dst, filter->net}) {
    huatuo::Must(!net || (net->prefix_bits >= 0 && net->prefix_bits <= 128));
  }
  return 0;
}
