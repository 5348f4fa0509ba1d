#include "collector/units/stack_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "collector/enrich/text.h"
#include "collector/kernel/cpu_stacks.h"
#include "common/document.h"

namespace huatuo {
namespace {

// Of a field that is made of stacks.
constexpr size_t kMaxTextBytes = 64 << 10;
// A CPU answers within its next tick; one that has interrupts off may never.
constexpr std::chrono::milliseconds kCpuPatience{20};

std::string CpuText(const CpuStack& stack, Completion& completion) {
  if (!stack.answered) return fmt::format("CPU {}: no answer\n", stack.cpu);
  if (stack.tid == 0) return fmt::format("CPU {}: idle\n", stack.cpu);
  std::string comm = completion.root()
                         .Read(fmt::format("/proc/{}/task/{}/comm", stack.pid, stack.tid))
                         .value_or("");
  if (comm.ends_with('\n')) comm.pop_back();
  v1::Stack frames;
  for (const uint64_t address : stack.frames) {
    *frames.add_frames() = completion.context().Symbolize(address);
  }
  return fmt::format("CPU {}: {} {}/{}\n{}", stack.cpu, SafeText(comm), stack.pid, stack.tid,
                     frames.frames_size() > 0 ? Indented(frames) : "  in user space\n");
}

}  // namespace

std::string Indented(const v1::Stack& stack) {
  std::string text;
  for (const v1::Frame& frame : stack.frames()) text += fmt::format("  {}\n", FrameText(frame));
  return text.empty() ? "  no stack\n" : text;
}

void AppendBounded(std::string& text, const std::string& part, size_t& left_out) {
  if (left_out > 0 || text.size() + part.size() > kMaxTextBytes) {
    ++left_out;
  } else {
    text += part;
  }
}

v1::Value CpusStack(Completion& completion, const std::map<uint32_t, std::string>& known) {
  const auto now = std::chrono::steady_clock::now();
  const std::vector<CpuStack> cpus =
      SampleCpus(std::min(now + kCpuPatience, completion.deadline()));
  std::string text;
  size_t left_out = 0;
  if (cpus.empty()) {
    for (const auto& [cpu, known_text] : known) AppendBounded(text, known_text, left_out);
  }
  for (const CpuStack& cpu : cpus) {
    const auto known_text = known.find(cpu.cpu);
    AppendBounded(text, known_text != known.end() ? known_text->second : CpuText(cpu, completion),
                  left_out);
  }
  if (left_out > 0) text += fmt::format("and {} more CPUs\n", left_out);
  return text.empty() ? Unknown() : TextValue(text);
}

}  // namespace huatuo
