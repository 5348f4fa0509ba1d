// Text that processes choose themselves, made safe for protobuf and JSON.
#pragma once

#include <string>
#include <string_view>

namespace huatuo {

// `text` as valid UTF-8 without control characters: every other byte becomes '?'.
std::string SafeText(std::string_view text);

}  // namespace huatuo
