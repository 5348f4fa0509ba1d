#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "collector/decode/decoder.h"
#include "collector/units/netdev_bonding_lacp_watch.h"
#include "common/document.h"
#include "test/collector/enrich/fixture.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kNetdevBondingLacp;

namespace {

constexpr const Unit* kUnits[] = {&kNetdevBondingLacp};

std::string SlaveText(std::string_view name, std::string_view mii, int failures, int aggregator,
                      int actor, int partner) {
  return fmt::format(
      "\nSlave Interface: {}\nMII Status: {}\nSpeed: 10000 Mbps\nLink Failure Count: {}\n"
      "Permanent HW addr: 02:00:00:00:00:01\nAggregator ID: {}\nActor Churn State: none\n"
      "details actor lacp pdu:\n    system priority: 65535\n"
      "    system mac address: 02:00:00:00:00:01\n    port key: 15\n    port state: {}\n"
      "details partner lacp pdu:\n    system priority: 65535\n"
      "    system mac address: 06:00:00:00:00:09\n    oper key: 15\n    port state: {}\n",
      name, mii, failures, aggregator, actor, partner);
}

std::string BondText(int ports, const std::string& slaves) {
  return fmt::format(
             "Ethernet Channel Bonding Driver: v6.1.0\n\n"
             "Bonding Mode: IEEE 802.3ad Dynamic link aggregation\nMII Status: up\n"
             "MII Polling Interval (ms): 100\n\n802.3ad info\nLACP active: on\nLACP rate: fast\n"
             "System MAC address: 02:00:00:00:00:01\nActive Aggregator Info:\n"
             "\tAggregator ID: 1\n\tNumber of ports: {}\n\tActor Key: 15\n\tPartner Key: 15\n"
             "\tPartner Mac Address: 06:00:00:00:00:09\n",
             ports) +
         slaves;
}

const std::string kBoth =
    BondText(2, SlaveText("eth0", "up", 0, 1, 63, 61) + SlaveText("eth1", "up", 2, 1, 63, 61));
const std::string kOne =
    BondText(1, SlaveText("eth0", "down", 1, 2, 7, 1) + SlaveText("eth1", "up", 2, 1, 63, 61));

struct Bench {
  Bench() : watch(root) { tree.Make("/proc/1/net/bonding"); }
  void Write(const std::string& bond, const std::string& text) const {
    tree.Write("/proc/1/net/bonding/" + bond, text);
  }
  std::string Changes() {
    std::string text;
    for (const LacpChange& change : watch.Look()) text += change.bond + ": " + change.changes;
    return text;
  }

  const Fixture tree{""};
  const Root root{tree.folder()};
  LacpWatch watch;
};

TEST_CASE("a link of a bond that fails takes its port out of the aggregator") {
  Bench bench;
  CHECK(bench.Changes().empty());
  CHECK(bench.watch.empty());
  bench.Write("bond0", kBoth);
  CHECK(bench.Changes().empty());
  CHECK_FALSE(bench.watch.empty());
  CHECK(bench.Changes().empty());
  bench.Write("bond0", kOne);
  CHECK(bench.Changes() ==
        "bond0: ports 2 -> 1; eth0 mii_status up -> down; eth0 aggregator_id 1 -> 2; "
        "eth0 actor_state activity|timeout|aggregation|sync|collecting|distributing -> "
        "activity|timeout|aggregation; "
        "eth0 partner_state activity|aggregation|sync|collecting|distributing -> activity; "
        "eth0 link_failures 0 -> 1");
  CHECK(bench.Changes().empty());
}

TEST_CASE("slaves that come and go, and bonds that are none of ours") {
  Bench bench;
  bench.Write("bond0", BondText(1, SlaveText("eth0", "up", 0, 1, 63, 61)));
  bench.Write("bond1", "Bonding Mode: load balancing (round-robin)\nMII Status: up\n");
  CHECK(bench.Changes().empty());
  bench.Write("bond0", BondText(1, SlaveText("eth1", "up", 0, 1, 63, 61)));
  bench.Write("bond1", "Bonding Mode: load balancing (round-robin)\nMII Status: down\n");
  CHECK(bench.Changes() == "bond0: eth1 none -> slave; eth0 slave -> none");
  bench.tree.Remove("/proc/1/net/bonding/bond0");
  CHECK(bench.Changes().empty());
  CHECK(bench.watch.empty());
}

TEST_CASE("the event has the bond before and after, and the driver's own words") {
  Bench bench;
  bench.Write("bond0", BondText(1, SlaveText("eth0", "up", 0, 1, 63, 61)));
  bench.watch.Look();
  // Without CAP_NET_ADMIN the driver tells neither aggregator nor states.
  bench.Write("bond0",
              "Bonding Mode: IEEE 802.3ad Dynamic link aggregation\nMII Status: down\n"
              "Slave Interface: eth0\nMII Status: down\nLink Failure Count: 1\n");
  const std::vector<LacpChange> changes = bench.watch.Look();
  REQUIRE(changes.size() == 1);
  FakeContext context;
  ManualClock clock;
  const Decoder decoder(kUnits, context, clock);
  CHECK(TracerData(MakeCatalog(kUnits).units(0).events(0),
                   decoder.Decode(0, 0, kNetdevBondingLacp.events[0], &changes[0])) ==
        R"({"bond":"bond0","changes":"mii_status up -> down; aggregator_id 1 -> none; )"
        R"(ports 1 -> none; partner_key 15 -> none; partner_mac 06:00:00:00:00:09 -> none; )"
        R"(eth0 mii_status up -> down; eth0 aggregator_id 1 -> none; )"
        R"(eth0 actor_state activity|timeout|aggregation|sync|collecting|distributing -> none; )"
        R"(eth0 partner_state activity|aggregation|sync|collecting|distributing -> none; )"
        R"(eth0 partner_mac 06:00:00:00:00:09 -> none; eth0 link_failures 0 -> 1",)"
        R"("content":"Bonding Mode: IEEE 802.3ad Dynamic link aggregation\nMII Status: down\n)"
        R"(Slave Interface: eth0\nMII Status: down\nLink Failure Count: 1\n",)"
        R"("before":{"mii_status":"up","aggregator_id":1,"ports":1,"partner_key":15,)"
        R"("partner_mac":"06:00:00:00:00:09","slaves":[{"name":"eth0","mii_status":"up",)"
        R"("aggregator_id":1,"actor_state":"activity|timeout|aggregation|sync|collecting|)"
        R"(distributing","partner_state":"activity|aggregation|sync|collecting|distributing",)"
        R"("partner_mac":"06:00:00:00:00:09","link_failures":0}]},)"
        R"("after":{"mii_status":"down","aggregator_id":null,"ports":null,"partner_key":null,)"
        R"("partner_mac":null,"slaves":[{"name":"eth0","mii_status":"down",)"
        R"("aggregator_id":null,"actor_state":null,"partner_state":null,"partner_mac":null,)"
        R"("link_failures":1}]}})");
}

}  // namespace
}  // namespace huatuo
