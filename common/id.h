// Identifiers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace huatuo {

// 16 bytes of a UUIDv7 (RFC 9562): 48 bits of milliseconds, then random; thread-safe.
std::string NewUuid7(int64_t wall_ns);

// 16 random bytes from the kernel.
std::string RandomId();

// "0193…-…" of 16 bytes; anything else comes back as its hex digits.
std::string UuidText(std::string_view bytes);

std::string Hex(std::string_view bytes);
// What Hex was given, of digits in either case; nullopt when it is no such text.
std::optional<std::string> FromHex(std::string_view text);

// SHA-256, 32 bytes.
std::string Sha256(std::string_view bytes);

// Compares in a time that depends on the lengths only.
bool ConstantTimeEqual(std::string_view a, std::string_view b);

}  // namespace huatuo
