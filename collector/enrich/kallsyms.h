// Addresses of kernel code as names.
//
// Loaded at the first question, since a node without stacks needs none of it. Names lie one after
// another in one string, addresses as 32 bits after a common upper half: about 30 bytes a symbol.
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "collector/context.h"
#include "collector/root.h"
#include "common/clock.h"

namespace huatuo {

class Kallsyms {
 public:
  // Keeps references to both.
  Kallsyms(const Root& root, const Clock& clock);
  ~Kallsyms();

  // "do_exit+0x1c", "nf_hook+0x8 [nf_tables]"; "0xffff..." when no function is near below. That a
  // module was loaded or unloaded is seen within a second, other new code within a minute.
  std::string Name(uint64_t address);

  // The first function of this name, of the kernel or of a module, up to the one that follows it.
  // nullopt when there is none, and when there are no symbols.
  std::optional<CodeRange> Find(std::string_view function);

  // Loads if needed. FailedPrecondition when the kernel hides the addresses (kptr_restrict).
  absl::Status Ready();

  // Reads the file again: for what becomes known of modules loaded or unloaded.
  void Reload();

  size_t symbols();
  size_t bytes();  // of memory, for the symbols

 private:
  class Table;
  static absl::Status Load(const Root& root, Table& table);
  std::shared_ptr<const Table> Current();
  std::shared_ptr<const Table> LoadLocked();
  std::shared_ptr<const Table> Newer(const std::shared_ptr<const Table>& table, bool known);

  const Root& root_;
  const Clock& clock_;
  std::mutex mutex_;
  std::shared_ptr<const Table> table_;
  absl::Status status_;
  int64_t loaded_ns_ = 0;
  int64_t modules_ns_ = 0;  // when /proc/modules was looked at
};

}  // namespace huatuo
