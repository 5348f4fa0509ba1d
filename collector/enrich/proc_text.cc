#include "collector/enrich/proc_text.h"

#include <charconv>

namespace huatuo {
namespace {

std::string_view Word(std::string_view& line) {
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  const std::string_view word = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace

v1::Value KeyValues(std::string_view text) {
  v1::Value value;
  v1::Map& map = *value.mutable_map();
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    std::string_view key = Word(line);
    const std::string_view digits = Word(line);
    if (!key.empty() && key.back() == ':') key.remove_suffix(1);
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() || key.empty()) continue;
    map.add_names(std::string(key));
    map.add_values()->set_uint(Word(line) == "kB" ? number * 1024 : number);
  }
  return value;
}

}  // namespace huatuo
