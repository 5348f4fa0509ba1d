#include "bpf/tcp_retransmit.h"

#include <arpa/inet.h>

#include <catch2/catch.hpp>

#include "collector/decode/decoder.h"
#include "common/document.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kTcpRetransmit;

namespace {

constexpr const Unit* kUnits[] = {&kTcpRetransmit};

template <size_t kSize>
void Copy(char (&into)[kSize], std::string_view text) {
  text.copy(into, kSize - 1);
}

// A segment that the timer sends for the third time, since this host dropped it.
tcp_retransmit_event Segment() {
  tcp_retransmit_event event{};
  event.header.cgroup = {7, 0, 0};
  event.header.tgid = 50;
  event.header.tid = 51;
  event.header.size = sizeof(event);
  Copy(event.header.comm, "swapper/1");
  event.netns_cookie = 0xfedcba9876543210;
  event.flow.saddr[2] = event.flow.daddr[2] = htonl(0xffff);
  inet_pton(AF_INET, "10.0.0.1", &event.flow.saddr[3]);
  inet_pton(AF_INET, "10.0.0.2", &event.flow.daddr[3]);
  event.flow.sport = 43210;
  event.flow.dport = 80;
  event.seq = 4000000000;
  event.length = 1448;
  event.retransmits = 3;
  event.netns_inum = 4026531840;
  event.version = 4;
  event.state = 1;
  event.ca_state = 4;
  event.reason = RETRANSMIT_RTO;
  event.fate = PACKET_DROPPED_HERE;
  event.drop_location = 0xff20;
  Copy(event.drop_reason, "NETFILTER_DROP");
  return event;
}

std::string Json(const tcp_retransmit_event& event) {
  static FakeContext context;
  ManualClock clock;
  const Decoder decoder(kUnits, context, clock);
  return TracerData(MakeCatalog(kUnits).units(0).events(0),
                    decoder.Decode(0, 0, kTcpRetransmit.events[0], &event));
}

std::string Part(const tcp_retransmit_event& event, std::string_view from, std::string_view to) {
  const std::string json = Json(event);
  const size_t begin = json.find(from);
  return json.substr(begin, json.find(to, begin) - begin);
}

TEST_CASE("a segment that is sent again says whose it was, why, and what became of it") {
  CHECK(Json(Segment()) ==
        R"({"comm":"swapper/1","pid":50,"tid":51,"cpu":0,"cgroup_id":"7",)"
        R"("saddr":"10.0.0.1","daddr":"10.0.0.2","sport":43210,"dport":80,)"
        R"("state":"ESTABLISHED","ca_state":"Loss","seq":4000000000,"length":1448,)"
        R"("retransmits":3,"reason":"rto","drop_correlated":"yes",)"
        R"("drop_reason":"NETFILTER_DROP","drop_location":"0xff20",)"
        R"("netns_inum":4026531840,"netns_cookie":"18364758544493064720"})");
}

TEST_CASE("what is not known of a segment is null, and its fate unknown") {
  tcp_retransmit_event event{};
  event.version = 6;
  event.reason = RETRANSMIT_SYNACK;
  event.state = 12;
  inet_pton(AF_INET6, "fd00::1", event.flow.saddr);
  CHECK(Json(event) ==
        R"({"comm":"","pid":0,"tid":0,"cpu":0,"cgroup_id":null,)"
        R"("saddr":"fd00::1","daddr":"::","sport":0,"dport":0,)"
        R"("state":"NEW_SYN_RECV","ca_state":null,"seq":0,"length":0,)"
        R"("retransmits":0,"reason":"synack","drop_correlated":"unknown",)"
        R"("drop_reason":null,"drop_location":null,"netns_inum":null,"netns_cookie":null})");
}

TEST_CASE("each reason and each fate has its word, and a number beyond them none") {
  tcp_retransmit_event event = Segment();
  std::string words;
  for (const uint16_t reason :
       {RETRANSMIT_FAST, RETRANSMIT_TLP, RETRANSMIT_SYN, RETRANSMIT_REASONS}) {
    event.reason = reason;
    words += Part(event, "\"reason", ",\"drop_corr") + " ";
  }
  CHECK(words == R"("reason":"fast" "reason":"tlp" "reason":"syn" "reason":null )");
  event.fate = PACKET_NOT_DROPPED_HERE;
  CHECK(Part(event, "\"drop_corr", ",\"drop_reason") == R"("drop_correlated":"no")");
}

}  // namespace
}  // namespace huatuo
