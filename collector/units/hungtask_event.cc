#include "collector/units/hungtask_event.h"

#include <fmt/format.h>

#include <algorithm>

#include "collector/enrich/text.h"
#include "collector/units/stack_text.h"

namespace huatuo {
namespace {

std::string Comm(const hungtask_task& task) {
  return SafeText({task.comm, strnlen(task.comm, sizeof(task.comm))});
}

// The task's own files, by thread.
std::string ProcFile(Completion& completion, const hungtask_task& task, std::string_view name) {
  return completion.root()
      .Read(fmt::format("/proc/{}/task/{}/{}", task.tgid, task.tid, name), 16384)
      .value_or("");
}

// "[<0>] percpu_rwsem_wait+0x116/0x140 [module]" as a frame without address.
v1::Frame ProcFrame(std::string_view line) {
  v1::Frame frame;
  if (const size_t bracket = line.find("] "); bracket != std::string_view::npos) {
    line.remove_prefix(bracket + 2);
  }
  const size_t plus = line.find("+0x");
  frame.set_symbol(SafeText(line.substr(0, std::min(plus, line.find(' ')))));
  if (plus != std::string_view::npos) {
    frame.set_offset(std::strtoull(std::string(line.substr(plus + 3)).c_str(), nullptr, 16));
  }
  if (const size_t module = line.find(" ["); module != std::string_view::npos) {
    frame.set_module(SafeText(line.substr(module + 2, line.find(']', module) - module - 2)));
  }
  return frame;
}

v1::Stack ProcStack(Completion& completion, const hungtask_task& task) {
  v1::Stack stack;
  const std::string text = ProcFile(completion, task, "stack");
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (!line.empty() && stack.frames_size() < HUNGTASK_FRAMES) {
      *stack.add_frames() = ProcFrame(line);
    }
  }
  return stack;
}

v1::Stack StackOf(Completion& completion, const hungtask_task& task) {
  v1::Stack stack;
  for (uint32_t i = 0; i < std::min<uint32_t>(task.frames, HUNGTASK_FRAMES); ++i) {
    *stack.add_frames() = completion.context().Symbolize(task.stack[i]);
  }
  return stack.frames_size() > 0 ? stack : ProcStack(completion, task);
}

// The function that it waits in: the innermost one, since the scheduler's own are not in stacks.
std::optional<std::string> WchanOf(Completion& completion, const hungtask_task& task,
                                   const v1::Stack& stack) {
  if (stack.frames_size() > 0 && !stack.frames(0).symbol().empty()) return stack.frames(0).symbol();
  std::string wchan = ProcFile(completion, task, "wchan");
  if (wchan.empty() || wchan == "0") return std::nullopt;
  return SafeText(wchan);
}

void SetBlocked(const Hungtask& event, Completion& completion) {
  std::vector<BlockedRow> rows;
  std::string text;
  size_t left_out = event.blocked->count - event.blocked->listed.size();
  size_t full = 0;
  for (const BlockedTask& blocked : event.blocked->listed) {
    if (completion.Expired()) return;
    const hungtask_task& task = blocked.task;
    const v1::Stack stack = StackOf(completion, task);
    const auto container = completion.context().FindContainer(task.cgroup);
    rows.push_back({Comm(task), task.tgid, task.tid, blocked.state_ns,
                    WchanOf(completion, task, stack), task.killable != 0,
                    container ? std::optional(container->id()) : std::nullopt});
    AppendBounded(
        text, fmt::format("{} {}/{}\n{}", Comm(task), task.tgid, task.tid, Indented(stack)), full);
  }
  left_out += full;
  if (left_out > 0) text += fmt::format("and {} more\n", left_out);
  completion.Set("blocked_processes", ListValue(rows, kBlockedFields, completion.context()));
  completion.Set("blocked_processes_stack", TextValue(text));
}

void SetHung(const Hungtask& event, Completion& completion) {
  const hungtask_task& task = event.hung.task;
  v1::Stack stack = StackOf(completion, task);
  completion.Set("wchan", ValueOf(WchanOf(completion, task, stack)));
  v1::Value value;
  if (stack.frames_size() > 0) *value.mutable_stack() = std::move(stack);
  completion.Set("stack", std::move(value));
}

}  // namespace

void CompleteHungtask(const void* record, Completion& completion) {
  const auto& event = *static_cast<const Hungtask*>(record);
  completion.Set("cpus_stack", CpusStack(completion, {}));  // first: it is of this moment
  SetHung(event, completion);
  SetBlocked(event, completion);
}

}  // namespace huatuo
