#include "collector/procfs/scan.h"

namespace huatuo {

std::optional<double> ParseCount(std::string_view word) {
  uint64_t count = 0;
  if (ParseNumber(word, count)) return static_cast<double>(count);
  int64_t negative = 0;
  if (ParseNumber(word, negative)) return static_cast<double>(negative);
  return std::nullopt;
}

}  // namespace huatuo
