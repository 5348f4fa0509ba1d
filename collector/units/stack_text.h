// Stacks as text with lines, for the fields that hold more than one.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "collector/instance.h"

namespace huatuo {

// A line for each frame; says so when there is none.
std::string Indented(const v1::Stack& stack);

// Appends `part`, or counts it in `left_out` when the text would be longer than 64 KiB.
void AppendBounded(std::string& text, const std::string& part, size_t& left_out);

// What each CPU is doing now, with its kernel stack; those that do not answer are listed as such.
// `known`: the text of CPUs that need not be asked. When the kernel refuses to sample, only those.
v1::Value CpusStack(Completion& completion, const std::map<uint32_t, std::string>& known);

}  // namespace huatuo
