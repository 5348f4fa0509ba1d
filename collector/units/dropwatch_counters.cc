#include "collector/units/dropwatch_counters.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

namespace huatuo {
namespace {

struct Counter {
  std::string_view layer;
  std::string_view group;  // of snmp and netstat: the word before the colon; of snmp6: the prefix
  std::string_view name;
};

constexpr Counter kCounters[] = {
    {"ip", "Ip", "InHdrErrors"},
    {"ip", "Ip", "InAddrErrors"},
    {"ip", "Ip", "InUnknownProtos"},
    {"ip", "Ip", "InDiscards"},
    {"ip", "Ip", "OutDiscards"},
    {"ip", "Ip", "OutNoRoutes"},
    {"ip", "Ip", "ReasmFails"},
    {"ip", "IpExt", "InNoRoutes"},
    {"ip", "IpExt", "InTruncatedPkts"},
    {"ip", "IpExt", "InCsumErrors"},
    {"ip", "TcpExt", "IPReversePathFilter"},
    {"ip6", "Ip6", "InHdrErrors"},
    {"ip6", "Ip6", "InAddrErrors"},
    {"ip6", "Ip6", "InUnknownProtos"},
    {"ip6", "Ip6", "InNoRoutes"},
    {"ip6", "Ip6", "InTruncatedPkts"},
    {"ip6", "Ip6", "InDiscards"},
    {"ip6", "Ip6", "OutDiscards"},
    {"ip6", "Ip6", "OutNoRoutes"},
    {"ip6", "Ip6", "ReasmFails"},
    {"udp", "Udp", "NoPorts"},
    {"udp", "Udp", "InErrors"},
    {"udp", "Udp", "RcvbufErrors"},
    {"udp", "Udp", "SndbufErrors"},
    {"udp", "Udp", "InCsumErrors"},
    {"udp", "Udp", "MemErrors"},
    {"udp6", "Udp6", "NoPorts"},
    {"udp6", "Udp6", "InErrors"},
    {"udp6", "Udp6", "RcvbufErrors"},
    {"udp6", "Udp6", "SndbufErrors"},
    {"udp6", "Udp6", "InCsumErrors"},
    {"udp6", "Udp6", "MemErrors"},
    {"tcp", "Tcp", "InErrs"},
    {"tcp", "Tcp", "InCsumErrors"},
    {"tcp", "TcpExt", "ListenOverflows"},
    {"tcp", "TcpExt", "ListenDrops"},
    {"tcp", "TcpExt", "TCPReqQFullDrop"},
    {"tcp", "TcpExt", "TCPBacklogDrop"},
    {"tcp", "TcpExt", "TCPRcvQDrop"},
    {"tcp", "TcpExt", "TCPOFODrop"},
    {"tcp", "TcpExt", "TCPZeroWindowDrop"},
    {"tcp", "TcpExt", "TCPDeferAcceptDrop"},
    {"tcp", "TcpExt", "TCPMinTTLDrop"},
    {"tcp", "TcpExt", "PFMemallocDrop"},
    {"tcp", "TcpExt", "RcvPruned"},
    {"tcp", "TcpExt", "OfoPruned"},
};

std::vector<std::string_view> SplitAt(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (size_t at = text.find_first_not_of(separators); at != std::string_view::npos;) {
    const size_t end = std::min(text.size(), text.find_first_of(separators, at));
    parts.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(separators, end);
  }
  return parts;
}

uint64_t Number(std::string_view text, int base = 10) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

class Reader {
 public:
  Reader(const Root& root, const DropCounterVisitor& visit) : root_(root), visit_(visit) {}

  // snmp and netstat: a line of names, then one of values, both after "Group:".
  void Tables(std::string_view file) {
    const std::string text = Text(file);
    const std::vector<std::string_view> lines = SplitAt(text, "\n");
    for (size_t i = 0; i + 1 < lines.size(); i += 2) {
      const auto names = SplitAt(lines[i], " :");
      const auto values = SplitAt(lines[i + 1], " :");
      for (size_t k = 1; k < std::min(names.size(), values.size()); ++k) {
        Tell(names[0], names[k], values[k]);
      }
    }
  }

  // snmp6: "Ip6InDiscards 0".
  void Lines() {
    const std::string text = Text("snmp6");
    for (const std::string_view line : SplitAt(text, "\n")) {
      const auto words = SplitAt(line, " \t");
      const size_t six = words[0].find('6');
      if (words.size() != 2 || six == std::string_view::npos) continue;
      Tell(words[0].substr(0, six + 1), words[0].substr(six + 1), words[1]);
    }
  }

  // softnet_stat: a line of hexadecimal columns for each CPU; the second counts the drops of its
  // backlog.
  void Softnet() {
    const std::string text = Text("softnet_stat");
    uint64_t dropped = 0;
    for (const std::string_view line : SplitAt(text, "\n")) {
      const auto columns = SplitAt(line, " ");
      if (columns.size() > 1) dropped += Number(columns[1], 16);
    }
    if (!text.empty()) visit_("softnet", "dropped", dropped);
  }

  // dev: after "name:" eight columns of receive, then eight of transmit; the fourth of each counts
  // drops. All devices together.
  void Devices() {
    const std::string text = Text("dev");
    uint64_t received = 0;
    uint64_t sent = 0;
    for (const std::string_view line : SplitAt(text, "\n")) {
      const size_t colon = line.find(':');
      if (colon == std::string_view::npos) continue;
      const auto columns = SplitAt(line.substr(colon + 1), " ");
      if (columns.size() < 12) continue;
      received += Number(columns[3]);
      sent += Number(columns[11]);
    }
    if (text.empty()) return;
    visit_("device", "rx_dropped", received);
    visit_("device", "tx_dropped", sent);
  }

 private:
  std::string Text(std::string_view file) const {
    return root_.Read(std::string("/proc/1/net/").append(file)).value_or("");
  }

  void Tell(std::string_view group, std::string_view name, std::string_view value) {
    for (const Counter& counter : kCounters) {
      if (counter.group == group && counter.name == name) {
        visit_(counter.layer, counter.name, Number(value));
      }
    }
  }

  const Root& root_;
  const DropCounterVisitor& visit_;
};

}  // namespace

void EachDropCounter(const Root& root, const DropCounterVisitor& visit) {
  Reader reader(root, visit);
  reader.Tables("snmp");
  reader.Tables("netstat");
  reader.Lines();
  reader.Softnet();
  reader.Devices();
}

}  // namespace huatuo
