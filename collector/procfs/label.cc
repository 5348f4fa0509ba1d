#include "collector/procfs/label.h"

#include <algorithm>

#include "collector/enrich/text.h"

namespace huatuo {

std::string_view LabelOf(std::string_view name, std::string& room) {
  const bool plain =
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (plain) return name;
  room = SafeText(name);
  return room;
}

}  // namespace huatuo
