#include "bpf/net_rx_latency.h"

#include <arpa/inet.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "collector/decode/decoder.h"
#include "collector/units/net_rx_latency_instance.h"
#include "common/document.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kNetRxLatency;

namespace {

constexpr const Unit* kUnits[] = {&kNetRxLatency};

template <size_t kSize>
void Copy(char (&into)[kSize], std::string_view text) {
  text.copy(into, kSize - 1);
}

// A segment that waited for its reader.
net_rx_latency_event Late() {
  net_rx_latency_event event{};
  event.header.cgroup = {7, 0, 0};
  event.header.tgid = 50;
  event.header.tid = 51;
  event.header.size = sizeof(event);
  Copy(event.header.comm, "reader");
  event.latency_ns = 250'500'000;
  event.threshold_ns = 115'000'000;
  event.netns_cookie = 0xfedcba9876543210;
  event.packet.saddr[2] = event.packet.daddr[2] = htonl(0xffff);
  inet_pton(AF_INET, "10.0.0.1", &event.packet.saddr[3]);
  inet_pton(AF_INET, "10.0.0.2", &event.packet.daddr[3]);
  event.packet.sport = 43210;
  event.packet.dport = 80;
  event.packet.seq = 4000000000;
  event.packet.ack_seq = 1;
  event.packet.length = 1500;
  event.packet.version = 4;
  event.packet.protocol = 6;
  event.packet.has = DROP_HAS_ADDRESSES | DROP_HAS_PORTS | DROP_HAS_TCP;
  event.netns_inum = 4026531840;
  event.ifindex = 2;
  event.stage = RX_TO_USER;
  event.sk_state = 1;
  Copy(event.netdev, "eth0");
  return event;
}

std::string Json(const net_rx_latency_event& event) {
  static FakeContext context;
  ManualClock clock;
  const Decoder decoder(kUnits, context, clock);
  return TracerData(MakeCatalog(kUnits).units(0).events(0),
                    decoder.Decode(0, 0, kNetRxLatency.events[0], &event));
}

std::string Part(const net_rx_latency_event& event, std::string_view from, std::string_view to) {
  const std::string json = Json(event);
  const size_t begin = json.find(from);
  return json.substr(begin, json.find(to, begin) - begin);
}

TEST_CASE("a late packet says what it was, where it was late and by how much") {
  CHECK(Json(Late()) ==
        R"({"comm":"reader","pid":50,"tid":51,"cpu":0,"cgroup_id":"7",)"
        R"("saddr":"10.0.0.1","daddr":"10.0.0.2","sport":43210,"dport":80,"protocol":"TCP",)"
        R"("seq":4000000000,"ack_seq":1,"state":"ESTABLISHED","pkt_len":1500,)"
        R"("where":"TO_USER_COPY","latency_ms":250.5,"threshold_ms":115.0,"netdev":"eth0",)"
        R"("ifindex":2,"netns_inum":4026531840,"netns_cookie":"18364758544493064720"})");
}

TEST_CASE("what is not known of a late packet is null, never 0") {
  net_rx_latency_event event{};
  event.latency_ns = 6'000'000;
  event.threshold_ns = 5'000'000;
  CHECK(Json(event) ==
        R"({"comm":"","pid":0,"tid":0,"cpu":0,"cgroup_id":null,)"
        R"("saddr":null,"daddr":null,"sport":null,"dport":null,"protocol":null,)"
        R"("seq":null,"ack_seq":null,"state":null,"pkt_len":0,)"
        R"("where":"TO_NETIF_RCV","latency_ms":6.0,"threshold_ms":5.0,"netdev":null,)"
        R"("ifindex":null,"netns_inum":null,"netns_cookie":null})");
}

TEST_CASE("stages and protocols of a late packet in words") {
  net_rx_latency_event event = Late();
  event.packet.version = 6;
  event.packet.protocol = 17;
  inet_pton(AF_INET6, "fd00::1", event.packet.saddr);
  event.packet.has = DROP_HAS_ADDRESSES | DROP_HAS_PORTS;
  event.stage = RX_TO_UDPV6;
  CHECK(Part(event, "\"saddr", ",\"daddr") == R"("saddr":"fd00::1")");
  CHECK(Part(event, "\"protocol", ",\"pkt_len") ==
        R"("protocol":"UDP","seq":null,"ack_seq":null,"state":null)");
  CHECK(Part(event, "\"where", ",\"latency") == R"("where":"TO_UDPV6_RCV")");
  event.packet.protocol = 58;
  CHECK(Part(event, "\"protocol", ",\"seq") == R"("protocol":"58")");
  event.stage = RX_STAGES;
  CHECK(Part(event, "\"where", ",\"latency") == R"("where":null)");
}

// Boot time runs on by so much with each reading; the wall clock is 1,000,000 s ahead.
class SlowClock : public Clock {
 public:
  explicit SlowClock(std::vector<int64_t> steps) : steps_(std::move(steps)) {}
  int64_t WallNs() const override { return boot_ns_ + 1'000'000'000'000'000; }
  int64_t BootNs() const override {
    boot_ns_ += steps_[std::min(next_++, steps_.size() - 1)];
    return boot_ns_;
  }

 private:
  const std::vector<int64_t> steps_;
  mutable size_t next_ = 0;
  mutable int64_t boot_ns_ = 5;
};

TEST_CASE("the offset of the clocks is that of the reading that was disturbed the least") {
  CHECK(WallOffsetNs(SlowClock({10})) == 999'999'999'999'995);
  // Interrupted for 80 ms between the first two readings, then not any more.
  CHECK(WallOffsetNs(SlowClock({10, 80'000'000, 10})) == 999'999'999'999'995);
}

}  // namespace
}  // namespace huatuo
