// The record of the event `hungtask`, made in user space, and what is added to it afterwards.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf/hungtask.h"
#include "collector/field.h"
#include "collector/instance.h"

namespace huatuo {

// A task in uninterruptible sleep, with its stack.
struct BlockedTask {
  hungtask_task task{};
  std::optional<uint64_t> state_ns;  // how long at least; unknown when no sweep saw it before
};

// All of them at one moment; shared by the events of one sweep.
struct BlockedTasks {
  static constexpr size_t kMaxListed = 64;
  std::vector<BlockedTask> listed;  // the longest waits first
  uint64_t count = 0;               // with those that are not listed
};

struct Hungtask {
  BlockedTask hung;
  bool by_kernel = false;
  std::shared_ptr<const BlockedTasks> blocked;
};

// A row of `blocked_processes`.
struct BlockedRow {
  std::string comm;
  uint32_t pid = 0;
  uint32_t tid = 0;
  std::optional<uint64_t> state_ns;
  std::optional<std::string> wchan;
  bool killable = false;
  std::optional<std::string> container_id;
};

inline constexpr auto kBlockedFields =
    TableOf(F<&BlockedRow::comm>("comm", "Command name."), F<&BlockedRow::pid>("pid", "Process."),
            F<&BlockedRow::tid>("tid", "Thread."),
            F<&BlockedRow::state_ns>("state_ns", "How long it waits, at least."),
            F<&BlockedRow::wchan>("wchan", "Kernel function that it waits in."),
            F<&BlockedRow::killable>("killable", "True: a fatal signal would end the wait."),
            F<&BlockedRow::container_id>("container_id", "Its container."));

// Sets the Late fields: stacks and wait channels of the blocked tasks, and what each CPU is doing.
// Reads /proc/<pid>/stack and wchan where the record has no stack.
void CompleteHungtask(const void* record, Completion& completion);

}  // namespace huatuo
