// What the kernel itself counts as dropped, layer by layer: the node's view when no probe watches.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "collector/root.h"

namespace huatuo {

// Calls `visit(layer, counter, value)` for each counter that this kernel has, in the network
// namespace of process 1; `counter` is the kernel's own word. The counters of one layer may contain
// each other (ListenDrops has the ListenOverflows in it). Thread-safe.
using DropCounterVisitor = std::function<void(std::string_view, std::string_view, uint64_t)>;
void EachDropCounter(const Root& root, const DropCounterVisitor& visit);

}  // namespace huatuo
