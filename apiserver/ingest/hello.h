// Is a Hello usable? Pure and thread-safe.
#pragma once

#include "absl/status/status.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// InvalidArgument naming the field.
absl::Status CheckHello(const v1::Hello& hello);

}  // namespace huatuo
