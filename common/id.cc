#include "common/id.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <charconv>
#include <cstdlib>

namespace huatuo {
namespace {

std::string Random(size_t size) {
  std::string bytes(size, '\0');
  // Fails only when the kernel has no randomness at all; ids that repeat would corrupt the store.
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size)) != 1) {
    std::abort();
  }
  return bytes;
}

}  // namespace

std::string NewUuid7(int64_t wall_ns) {
  std::string id = Random(16);
  const uint64_t ms = wall_ns > 0 ? static_cast<uint64_t>(wall_ns) / 1'000'000 : 0;
  for (int i = 0; i < 6; ++i) id[i] = static_cast<char>(ms >> (40 - 8 * i));
  id[6] = static_cast<char>((id[6] & 0x0f) | 0x70);
  id[8] = static_cast<char>((id[8] & 0x3f) | 0x80);
  return id;
}

std::string RandomId() { return Random(16); }

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::optional<std::string> FromHex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc() || end != text.data() + i + 2) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

std::string UuidText(std::string_view bytes) {
  const std::string hex = Hex(bytes);
  if (bytes.size() != 16) return hex;
  std::string text;
  text.reserve(36);
  for (const auto& [from, size] : {std::pair(0, 8), {8, 4}, {12, 4}, {16, 4}, {20, 12}}) {
    if (from > 0) text.push_back('-');
    text.append(hex, static_cast<size_t>(from), static_cast<size_t>(size));
  }
  return text;
}

std::string Sha256(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

bool ConstantTimeEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace huatuo
