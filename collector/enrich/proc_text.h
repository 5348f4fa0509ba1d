// Files of procfs and cgroupfs as values.
#pragma once

#include <string_view>

#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// Lines of "key value", "key: value" or "key: value kB" as a MAP of numbers, kB turned into bytes.
// Lines of another form are left out. Pure.
v1::Value KeyValues(std::string_view text);

}  // namespace huatuo
