// A process's configuration: one table of options, filled from a YAML file and from flags.
//
// `spool.limit_bytes` in the table is
//   spool:
//     limit_bytes: 67108864
// in the file and --spool-limit-bytes on the command line, which wins. Whatever is not in the
// table, of the wrong type or out of range is refused with file, line and key.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"

namespace huatuo {

struct Option {
  using Target = std::variant<std::string*, uint64_t*, double*, bool*, std::vector<std::string>*>;
  std::string key;
  std::string help;
  Target target;  // holds the default before, the value after
  double minimum = 0;
  double maximum = 9e18;
};

// Reads the file named by --config, if any, then the flags. The first argument is the program's
// name. --help prints the table and ends the process.
absl::Status LoadConfig(std::span<const Option> options, int argc, char** argv);

// Of the file's text alone; `name` is for messages.
absl::Status ParseConfig(std::span<const Option> options, const std::string& name,
                         const std::string& text);

}  // namespace huatuo
