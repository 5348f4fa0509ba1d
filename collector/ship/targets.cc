#include "collector/ship/targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "common/status.h"

namespace huatuo {

Targets::Targets(std::vector<std::string> addresses, size_t start)
    : addresses_(std::move(addresses)), index_(start % addresses_.size()) {}

std::string Targets::current() const {
  const std::lock_guard lock(mutex_);
  return addresses_[index_];
}

void Targets::Next() {
  const std::lock_guard lock(mutex_);
  index_ = (index_ + 1) % addresses_.size();
}

absl::StatusOr<std::vector<std::string>> ReadTargets(const std::vector<std::string>& texts) {
  std::vector<std::string> addresses;
  for (const std::string& text : texts) {
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
      const size_t first = part.find_first_not_of(' ');
      if (first == std::string::npos) continue;
      part = part.substr(first, part.find_last_not_of(' ') + 1 - first);
      const size_t colon = part.rfind(':');
      const std::string port = colon == std::string::npos ? "" : part.substr(colon + 1);
      if (port.empty() || !std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; })) {
        return InvalidArgument(fmt::format(
            "apiserver: \"{}\": accepted is host:port, several separated by commas", part));
      }
      if (std::ranges::find(addresses, part) == addresses.end()) addresses.push_back(part);
    }
  }
  if (addresses.empty()) return InvalidArgument("apiserver: names none: accepted is host:port");
  return addresses;
}

}  // namespace huatuo
