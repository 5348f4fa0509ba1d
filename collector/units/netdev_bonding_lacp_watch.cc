#include "collector/units/netdev_bonding_lacp_watch.h"

#include <filesystem>
#include <utility>

namespace huatuo {
namespace {

// The host's, also when the collector has a network of its own.
constexpr std::string_view kFolder = "/proc/1/net/bonding";

}  // namespace

std::vector<std::string> LacpWatch::Names() const {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(root_.Path(kFolder), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  return names;
}

std::vector<LacpChange> LacpWatch::Look() {
  std::vector<LacpChange> out;
  std::map<std::string, LacpBond> now;
  for (const std::string& name : Names()) {
    std::string content = root_.Read(std::string(kFolder) + "/" + name).value_or("");
    std::optional<LacpBond> bond = ParseLacpBond(content);
    if (!bond.has_value()) continue;
    const auto before = bonds_.find(name);
    if (before != bonds_.end() && before->second != *bond) {
      out.push_back({name, LacpChanges(before->second, *bond), std::move(content),
                     std::move(before->second), *bond});
    }
    now.emplace(name, *std::move(bond));
  }
  bonds_ = std::move(now);
  return out;
}

}  // namespace huatuo
