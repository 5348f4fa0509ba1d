// Fields made of a place at which a tick found a CPU.
#pragma once

#include "bpf/tick.h"
#include "collector/field.h"

namespace huatuo {

// Unknown when the CPU was in user space.
v1::Value PlaceStack(const tick_place& place, Context& context);

// "r15=… … ip=…", hexadecimal, in the order of the architecture's pt_regs; unknown in user space.
v1::Value PlaceRegisters(const tick_place& place);

}  // namespace huatuo
