// What has to be true of the answer to any input.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "common/utf8.h"

namespace huatuo {

// Ends the process, which libFuzzer reports with the input; says whose line it was.
inline void Must(bool condition, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (condition) return;
  std::fprintf(stderr, "%s:%d: must be true\n", file, line);
  std::abort();
}

// proto3 and JSON take nothing else.
inline void MustBeText(std::string_view text, const char* file = __builtin_FILE(),
                       int line = __builtin_LINE()) {
  Must(Utf8(text) == text, file, line);
}

}  // namespace huatuo
