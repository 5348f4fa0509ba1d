// Addresses in processes as names of functions.
//
// Ask while the process lives: its mappings and files are read at the question and nothing of it is
// kept open. What was found in a file is kept for the next process that runs the same file.
// Thread-safe; a question takes from 50 us to some 100 ms, so it is not for threads that must not
// wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "collector/root.h"
#include "collector/symbols/mappings.h"
#include "collector/symbols/module_cache.h"
#include "collector/symbols/process.h"

namespace huatuo {

struct UserFrame {
  std::string function;  // empty: unknown
  // Path in the process's mount namespace, "[vdso]", "[jit]"; empty: nothing is known.
  std::string module;
  std::string build_id;  // hexadecimal
  uint64_t address = 0;  // the module's own; 0 in "[jit]" when the function is unknown
  uint64_t offset = 0;   // from the begin of the function, else of the module
};

class UserSymbols {
 public:
  static constexpr size_t kLimitBytes = 6 << 20;

  explicit UserSymbols(const Root& root, size_t limit_bytes = kLimitBytes);
  ~UserSymbols();

  struct Answer {
    std::vector<UserFrame> frames;  // one for each address
    bool gone = false;              // the process had ended: nothing is known
    bool cut = false;               // some of its mappings or its perf map were not read
  };
  // `addresses` in any order, with any repetitions.
  Answer Resolve(const ProcessId& process, std::span<const uint64_t> addresses);

  ModuleCache::Counts counts() const;

 private:
  // The mappings of a process, and until when they are taken as they are: reading again what took
  // long is put off, so that it costs at most 5% of a CPU.
  struct View;
  class Question;

  // With mutex_ held; null when the process has ended.
  std::shared_ptr<View> ViewOf(const ProcessId& process);

  const Root& root_;
  mutable std::mutex mutex_;
  ModuleCache modules_;
  std::list<std::shared_ptr<View>> views_;  // newest first
};

}  // namespace huatuo
