// Names of functions as people write them.
#pragma once

#include <string>
#include <string_view>

namespace huatuo {

// C++ and Rust names in words, everything else as it is; safe as proto3 string and
// at most 512 bytes long. Time and memory are bounded for every input: the names belong to
// containers. A C++ name that repeats its parts very often comes without template arguments and
// parameters: "ns::Map<>::Find()".
std::string Demangle(const std::string& symbol);

}  // namespace huatuo
