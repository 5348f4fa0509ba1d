#include "collector/symbols/perf_map.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "common/utf8.h"

namespace huatuo {
namespace {

constexpr uint64_t kMaxBytes = 64 << 20;
constexpr size_t kChunkBytes = 64 << 10;
constexpr size_t kMaxNameBytes = 512;
// Of one entry; a whole code cache has less. Bounds what one line can claim.
constexpr uint64_t kMaxCodeBytes = 16 << 20;

struct Line {
  uint64_t begin = 0;
  uint64_t bytes = 0;
  std::string_view name;
};

// Some writers put 0x before the numbers.
const char* Hexadecimal(const char* at, const char* end, uint64_t& value) {
  if (end - at > 2 && at[0] == '0' && at[1] == 'x') at += 2;
  const auto [next, error] = std::from_chars(at, end, value, 16);
  return error == std::errc() && next < end && *next == ' ' ? next + 1 : nullptr;
}

bool Parse(std::string_view text, Line& line) {
  const char* const end = text.data() + text.size();
  const char* at = Hexadecimal(text.data(), end, line.begin);
  if (at != nullptr) at = Hexadecimal(at, end, line.bytes);
  if (at == nullptr || at == end || line.bytes > kMaxCodeBytes) return false;
  line.name = std::string_view(at, std::min<size_t>(kMaxNameBytes, static_cast<size_t>(end - at)));
  return true;
}

void Apply(const Line& line, std::span<const uint64_t> addresses, std::vector<JitSymbol>& found) {
  auto at = static_cast<size_t>(std::lower_bound(addresses.begin(), addresses.end(), line.begin) -
                                addresses.begin());
  for (; at < addresses.size() && addresses[at] - line.begin < line.bytes; ++at) {
    found[at] = {std::string(line.name), line.begin};
  }
}

}  // namespace

JitSymbols FindInPerfMap(const ByteSource& source, std::span<const uint64_t> addresses) {
  JitSymbols symbols;
  symbols.found.resize(addresses.size());
  symbols.cut = source.size() > kMaxBytes;
  const uint64_t size = std::min(source.size(), kMaxBytes);
  std::string buffer;
  for (uint64_t at = 0; at < size;) {
    const size_t have = buffer.size();
    buffer.resize(have + std::min<uint64_t>(kChunkBytes, size - at));
    if (!source.Read(at, std::as_writable_bytes(std::span(buffer).subspan(have)))) break;
    at += buffer.size() - have;
    size_t begin = 0;
    Line line;
    for (size_t end = 0; (end = buffer.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (Parse(std::string_view(buffer).substr(begin, end - begin), line)) {
        Apply(line, addresses, symbols.found);
      }
    }
    // A line longer than a chunk is none.
    if (begin == 0 && buffer.size() > kChunkBytes) begin = buffer.size();
    buffer.erase(0, begin);
  }
  for (JitSymbol& symbol : symbols.found) symbol.name = Utf8(symbol.name, kMaxNameBytes);
  return symbols;
}

}  // namespace huatuo
