// Names from the kernel as values of labels.
#pragma once

#include <string>
#include <string_view>

namespace huatuo {

// `name` as text without control characters that proto3 and Prometheus take; bytes that are no
// UTF-8 become '?'. Either `name` itself or a view of `room`.
std::string_view LabelOf(std::string_view name, std::string& room);

}  // namespace huatuo
