// The code that a process has mapped, from /proc/<pid>/maps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/root.h"

namespace huatuo {

struct Mapping {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t offset = 0;  // in the file
  uint64_t inode = 0;   // 0: of no file
  uint32_t path = 0;    // index into Mappings::paths
};

struct Mappings {
  std::vector<Mapping> code;       // executable, ascending
  std::vector<std::string> paths;  // without " (deleted)"; "[vdso]", "" for memory
  bool cut = false;                // the process has more than are here

  const Mapping* Find(uint64_t address) const;  // null: no code is there
  const std::string& PathOf(const Mapping& mapping) const { return paths[mapping.path]; }
  size_t bytes() const;
};

// Adds one line of the file, without its end; a line of another form is left out.
void AddMapping(std::string_view line, Mappings& mappings);

// At most 4096 of them, from at most 16 MiB of the file (about 160,000 lines). NotFound when there
// is no such process.
absl::StatusOr<Mappings> ReadMappings(const Root& root, uint32_t pid);

}  // namespace huatuo
