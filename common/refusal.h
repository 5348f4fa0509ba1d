// Why what somebody asked for cannot be taken as it is.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <string>
#include <vector>

namespace huatuo {

struct Refusal {
  std::string field;     // "target.nodes"; empty: the whole
  std::string detail;    // what is wrong
  std::string accepted;  // what would be accepted
};

// Nothing: no objection.
using Objection = std::optional<Refusal>;

inline std::string OneOf(const std::vector<std::string>& names) {
  if (names.empty()) return "nothing: there are none";
  return fmt::format("one of {}", fmt::join(names, ", "));
}

}  // namespace huatuo
