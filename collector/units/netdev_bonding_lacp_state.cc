#include "collector/units/netdev_bonding_lacp_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace huatuo {
namespace {

std::string_view Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<uint32_t> Number(std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

// Reads line by line: the same key means something else in each section.
class Parser {
 public:
  void Line(std::string_view line) {
    const size_t colon = line.find(": ");
    if (colon == std::string_view::npos) return Heading(Trimmed(line));
    const std::string_view key = Trimmed(line.substr(0, colon));
    const std::string_view value = Trimmed(line.substr(colon + 2));
    if (key == "Slave Interface") {
      bond_.slaves.emplace_back().name = value;
      section_ = Section::kSlave;
    } else if (section_ == Section::kBond) {
      OfBond(key, value);
    } else {
      OfSlave(key, value, bond_.slaves.back());
    }
  }

  std::optional<LacpBond> Take() { return lacp_ ? std::optional(std::move(bond_)) : std::nullopt; }

 private:
  enum class Section { kBond, kSlave, kActor, kPartner };

  void Heading(std::string_view heading) {
    if (bond_.slaves.empty()) return;
    if (heading == "details actor lacp pdu:") section_ = Section::kActor;
    if (heading == "details partner lacp pdu:") section_ = Section::kPartner;
  }

  void OfBond(std::string_view key, std::string_view value) {
    if (key == "Bonding Mode") lacp_ = value.starts_with("IEEE 802.3ad");
    if (key == "MII Status") bond_.mii_status = value;
    if (key == "Aggregator ID") bond_.aggregator_id = Number(value);
    if (key == "Number of ports") bond_.ports = Number(value);
    if (key == "Partner Key") bond_.partner_key = Number(value);
    if (key == "Partner Mac Address") bond_.partner_mac = value;
  }

  void OfSlave(std::string_view key, std::string_view value, LacpSlave& slave) const {
    if (key == "MII Status") slave.mii_status = value;
    if (key == "Aggregator ID") slave.aggregator_id = Number(value);
    if (key == "Link Failure Count") slave.link_failures = Number(value).value_or(0);
    if (key == "port state" && section_ == Section::kActor) slave.actor_state = Number(value);
    if (section_ != Section::kPartner) return;
    if (key == "port state") slave.partner_state = Number(value);
    if (key == "system mac address") slave.partner_mac = value;
  }

  Section section_ = Section::kBond;
  bool lacp_ = false;
  LacpBond bond_;
};

std::string Word(const std::string& text) { return text.empty() ? "none" : text; }
std::string Word(uint64_t number) { return std::to_string(number); }
std::string Word(const std::optional<uint32_t>& number) {
  return number.has_value() ? std::to_string(*number) : "none";
}
std::string StateWord(const std::optional<uint32_t>& bits) {
  return bits.has_value() ? LacpPortState(*bits) : "none";
}

class Differences {
 public:
  template <typename T>
  void Add(std::string_view what, const T& before, const T& after) {
    if (before != after) Add(what, Word(before), Word(after));
  }
  void AddState(std::string_view what, const std::optional<uint32_t>& before,
                const std::optional<uint32_t>& after) {
    if (before != after) Add(what, StateWord(before), StateWord(after));
  }
  void Add(std::string_view what, const std::string& before, const std::string& after) {
    if (before == after) return;
    text_ += fmt::format("{}{} {} -> {}", text_.empty() ? "" : "; ", what, before, after);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

void Compare(const LacpSlave& before, const LacpSlave& after, Differences& out) {
  const std::string& name = after.name;
  out.Add(name + " mii_status", Word(before.mii_status), Word(after.mii_status));
  out.Add(name + " aggregator_id", before.aggregator_id, after.aggregator_id);
  out.AddState(name + " actor_state", before.actor_state, after.actor_state);
  out.AddState(name + " partner_state", before.partner_state, after.partner_state);
  out.Add(name + " partner_mac", Word(before.partner_mac), Word(after.partner_mac));
  out.Add(name + " link_failures", before.link_failures, after.link_failures);
}

const LacpSlave* Find(const std::vector<LacpSlave>& slaves, const std::string& name) {
  const auto it = std::find_if(slaves.begin(), slaves.end(),
                               [&](const LacpSlave& slave) { return slave.name == name; });
  return it == slaves.end() ? nullptr : &*it;
}

}  // namespace

std::optional<LacpBond> ParseLacpBond(std::string_view text) {
  Parser parser;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    parser.Line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.Take();
}

std::string LacpChanges(const LacpBond& before, const LacpBond& after) {
  Differences out;
  out.Add("mii_status", Word(before.mii_status), Word(after.mii_status));
  out.Add("aggregator_id", before.aggregator_id, after.aggregator_id);
  out.Add("ports", before.ports, after.ports);
  out.Add("partner_key", before.partner_key, after.partner_key);
  out.Add("partner_mac", Word(before.partner_mac), Word(after.partner_mac));
  for (const LacpSlave& slave : after.slaves) {
    const LacpSlave* was = Find(before.slaves, slave.name);
    if (was == nullptr) {
      out.Add(slave.name, std::string("none"), std::string("slave"));
    } else {
      Compare(*was, slave, out);
    }
  }
  for (const LacpSlave& slave : before.slaves) {
    if (Find(after.slaves, slave.name) == nullptr) {
      out.Add(slave.name, std::string("slave"), std::string("none"));
    }
  }
  return out.Take();
}

std::string LacpPortState(uint32_t bits) {
  static constexpr const char* kNames[] = {"activity",   "timeout",      "aggregation", "sync",
                                           "collecting", "distributing", "defaulted",   "expired"};
  std::string text;
  for (size_t bit = 0; bit < std::size(kNames); ++bit) {
    if ((bits >> bit & 1) == 0) continue;
    text += (text.empty() ? "" : "|") + std::string(kNames[bit]);
  }
  return text;
}

}  // namespace huatuo
