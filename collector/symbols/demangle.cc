#include "collector/symbols/demangle.h"

#include <cxxabi.h>
#include <libiberty/demangle.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "absl/debugging/internal/demangle.h"
#include "common/utf8.h"

namespace huatuo {
namespace {

constexpr size_t kMaxBytes = 512;

// __cxa_demangle writes out each reference to an earlier part, and a part that refers twice to
// the one before doubles it: a name of 200 bytes can become any size. With so few references (S and
// T begin one, wherever they stand) the text stays below a few MiB.
constexpr ptrdiff_t kMaxReferences = 20;
constexpr size_t kMaxMangled = 768;

bool IsHarmless(const std::string& symbol) {
  const auto references =
      std::count_if(symbol.begin(), symbol.end(), [](char c) { return c == 'S' || c == 'T'; });
  return symbol.size() <= kMaxMangled && references <= kMaxReferences &&
         symbol.find("Dp") == std::string::npos && symbol.find("sp") == std::string::npos;
}

std::string DemangleCxx(const std::string& symbol) {
  if (IsHarmless(symbol)) {
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> text(
        abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), std::free);
    return text == nullptr ? symbol : text.get();
  }
  // Made for signal handlers: it counts its steps and writes into a buffer.
  std::array<char, kMaxBytes> text{};
  if (!absl::debugging_internal::Demangle(symbol.c_str(), text.data(), text.size())) return symbol;
  return text.data();
}

// Of v0 and, by the hash at its end, of before; empty when it is neither. Text is taken as it comes
// and cut, so only the steps must be bounded: a name of v0 may refer back to what doubles (B).
std::string DemangleRust(const std::string& symbol) {
  if (std::count(symbol.begin(), symbol.end(), 'B') > kMaxReferences) return {};
  std::string text;
  const auto take = [](const char* part, size_t size, void* into) {
    auto& whole = *static_cast<std::string*>(into);
    whole.append(part, std::min(size, kMaxBytes - std::min(kMaxBytes, whole.size())));
  };
  const bool whole = rust_demangle_callback(symbol.c_str(), 0, take, &text) != 0;
  return whole ? text : std::string();
}

std::string InWords(const std::string& symbol) {
  if (!symbol.starts_with("_Z") && !symbol.starts_with("_R")) return symbol;
  std::string rust = DemangleRust(symbol);
  if (!rust.empty()) return rust;
  return symbol.starts_with("_Z") ? DemangleCxx(symbol) : symbol;
}

}  // namespace

std::string Demangle(const std::string& symbol) {
  std::string name = InWords(symbol);
  if (name.size() > kMaxBytes) name.resize(kMaxBytes);
  for (char& c : name) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return Utf8(name, kMaxBytes);
}

}  // namespace huatuo
