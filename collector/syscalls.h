// The filter language "syscalls": the names of system calls, separated by commas or spaces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace huatuo {

// As many as a node measures at once.
inline constexpr size_t kMaxSyscalls = 16;

struct Syscall {
  std::string_view name;  // lives as long as the process
  uint32_t number = 0;    // of this architecture, not of programs of 32 bits
};

// In the order of the text; empty for an empty one. InvalidArgument names what is not known, named
// twice or too much. Pure.
absl::StatusOr<std::vector<Syscall>> ParseSyscalls(std::string_view text);

}  // namespace huatuo
