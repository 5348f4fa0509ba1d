#include "apiserver/query/cursor.h"

#include <fmt/format.h>

#include <charconv>

namespace huatuo {
namespace {

// FNV-1a over the query without what may differ from page to page.
uint64_t QueryHash(const ParamValues& params) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash = (hash ^ 0xff) * 0x100000001b3;
  };
  for (const auto& [name, value] : params.all()) {
    if (name == "cursor" || name == "limit") continue;
    add(name);
    add(value);
  }
  return hash;
}

}  // namespace

std::string Cursor(const ParamValues& params, uint64_t position) {
  return fmt::format("{:x}-{:016x}", position, QueryHash(params));
}

std::optional<uint64_t> PositionOf(const ParamValues& params) {
  if (!params.Has("cursor")) return 0;
  const std::string cursor = params.Text("cursor");
  uint64_t position = 0;
  std::from_chars(cursor.data(), cursor.data() + cursor.size(), position, 16);
  if (position == 0 || Cursor(params, position) != cursor) return std::nullopt;
  return position;
}

}  // namespace huatuo
